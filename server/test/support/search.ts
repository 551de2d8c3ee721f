import { expect } from 'vitest'
import type { Person } from './person.ts'

/** Texts of what a query finds, newest first; in one channel if it is named. */
export async function find(
  person: Person,
  q: string,
  { channel, ...query }: { channel?: string; limit?: number; cursor?: string } = {},
): Promise<string[]> {
  const path = channel === undefined ? '/api/v1/search' : `/api/v1/channels/${channel}/search`
  const { status, body } = await person.get(path, { query: { q, ...query } })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.messages.map(({ message }: { message: string }) => message)
}
