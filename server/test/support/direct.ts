import { createHash } from 'node:crypto'
import { expect } from 'vitest'
import type { Answer } from './http.ts'
import type { Person } from './person.ts'

/** Sends a direct message. @returns its id and that of its conversation */
export async function sendDm(
  from: Person,
  to: Person | string,
  message: string,
): Promise<{ message_id: string; conversation_id: string }> {
  const { status, body } = await tryDm(from, to, message)
  expect(status, JSON.stringify(body)).toBe(201)
  return body.result
}

export function tryDm(from: Person, to: Person | string, message = 'hello'): Promise<Answer> {
  return from.post('/api/v1/dms/send', { peer: typeof to === 'string' ? to : to.id, message })
}

/** Texts of what two people wrote to each other. */
export async function loadDms(
  person: Person,
  peer: Person,
  query: Record<string, number> = {},
): Promise<string[]> {
  const { status, body } = await person.get('/api/v1/dms/messages', { query: { peer: peer.id, ...query } })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.messages.map(({ message }: { message: string }) => message)
}

/** Begins a group. @returns its id */
export async function createGroup(by: Person, name: string, ...others: Person[]): Promise<string> {
  const participants = others.map(({ id }) => id)
  const { status, body } = await by.post('/api/v1/dms/groups', { participants, name })
  expect(status, JSON.stringify(body)).toBe(201)
  return body.conversation.conversation_id as string
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
export async function conversationsOf(person: Person): Promise<any[]> {
  const { status, body } = await person.get('/api/v1/dms/conversations')
  expect(status).toBe(200)
  return body.conversations
}

/** What the wire contract says the id of a conversation is. */
export function expectedId(origin: string, a: Person, b: Person): string {
  const actors = [a, b].map(({ id }) => `${origin}/ap/users/${id}`).toSorted()
  return `dm-${createHash('sha256').update(actors.join('::')).digest('hex').slice(0, 32)}`
}
