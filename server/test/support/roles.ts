import { expect } from 'vitest'
import { replaceRoles } from '#features/roles/index.ts'
import type { Person } from './person.ts'
import type { TestServer } from './server.ts'

/** Gives somebody exactly these roles, as the operator could. */
export async function setRoles({ ctx }: TestServer, person: Person, ...roles: string[]): Promise<void> {
  await ctx.db.transact(async (tx) => {
    await replaceRoles(tx, person.id, roles, ctx.clock())
    tx.publish({ type: 'user.changed', userId: person.id, roles })
  })
}

/** Makes a custom role. @returns its id */
export async function createRole(person: Person, name: string, rights: readonly string[]): Promise<string> {
  const { status, body } = await person.post('/api/v1/system/roles', {
    role_name: name,
    privileges_ids: rights,
  })
  expect(status, JSON.stringify(body)).toBe(201)
  return body.role.role_id as string
}

interface Said {
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
}

/** Lets a channel say something about a role (by its id) or about a person. */
export async function override(
  person: Person,
  channel: string,
  subject: string | Person,
  said: Said,
): Promise<void> {
  const about = typeof subject === 'string' ? `role/${subject}` : `member/${subject.id}`
  const { status, body } = await person.put(`/api/v1/channels/${channel}/overrides/${about}`, { json: said })
  expect(status, JSON.stringify(body)).toBe(200)
}
