import { randomBytes } from 'node:crypto'
import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { AppearanceTable } from '#db/tables.ts'
import { recordAudit } from '#features/audit/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { putAppearance } from './store.ts'

/** Under this id the server's own appearance is kept. */
export const SERVER = 'server'

type Deps = Pick<Context, 'db' | 'clock'>

export interface AppearanceInput {
  readonly avatar_kind?: string | null | undefined
  readonly banner_kind?: string | null | undefined
  readonly accent_color?: string | null | undefined
  readonly shuffle_avatar_seed: boolean
}

/** What was changed; null for what was not. */
export type AppearanceChange = Omit<AppearanceTable, 'subject_id'>

/** Changes how the caller looks to others. @throws HttpError 400 */
export async function changeOwnAppearance(
  ctx: Deps,
  actor: Actor,
  input: AppearanceInput,
): Promise<AppearanceChange> {
  const change = changeOf(input)
  await ctx.db.transact(async (tx) => {
    await store(tx, actor.userId, change)
    tx.publish({ type: 'user.changed', userId: actor.userId })
  })
  return change
}

/** Changes how the server looks. @throws HttpError 400 */
export async function changeServerAppearance(
  ctx: Deps,
  actor: Actor,
  input: AppearanceInput,
): Promise<AppearanceChange> {
  const change = changeOf(input)
  await ctx.db.transact(async (tx) => {
    await store(tx, SERVER, change)
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'server.appearance_changed',
      targetType: 'server',
      targetId: SERVER,
      details: Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null)),
      at: ctx.clock(),
    })
  })
  return change
}

function store(tx: Tx, subjectId: string, change: AppearanceChange): Promise<void> {
  const chosen = Object.entries(change).filter(([, value]) => value !== null)
  return putAppearance(tx, subjectId, Object.fromEntries(chosen))
}

function changeOf(input: AppearanceInput): AppearanceChange {
  return {
    avatar_kind: oneOf('avatar_kind', ['identicon', 'image'], input.avatar_kind),
    banner_kind: oneOf('banner_kind', ['solid', 'image'], input.banner_kind),
    accent_color: colorOf(input.accent_color),
    avatar_seed: input.shuffle_avatar_seed ? randomBytes(8).toString('hex') : null,
  }
}

function oneOf<T extends string>(
  field: string,
  known: readonly T[],
  value: string | null | undefined,
): T | null {
  if (value === null || value === undefined) return null
  const found = known.find((one) => one === value)
  if (found === undefined) throw badRequest(`${field} must be one of ${known.join(', ')}`)
  return found
}

function colorOf(value: string | null | undefined): string | null {
  if (value === null || value === undefined) return null
  if (!/^#[0-9a-f]{6}$/i.test(value)) throw badRequest('accent_color must be of the form #RRGGBB')
  return value.toLowerCase()
}
