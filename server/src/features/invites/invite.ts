import { randomBytes } from 'node:crypto'
import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import { notFound } from '#http/errors.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { deleteInvite, insertInvite, type InviteRow } from './store.ts'

/** Crockford's base 32: nothing in it is taken for something else. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const LENGTH = 12
const MINUTE = 60_000

type Deps = Pick<Context, 'db' | 'clock'>

/**
 * Makes an invite, by which people sign up where registration needs one.
 *
 * @param by who makes it; null for the operator
 */
export async function createInvite(
  ctx: Deps,
  by: string | null,
  options: { maxUses?: number | null | undefined; durationMinutes?: number | null | undefined },
): Promise<InviteRow> {
  const code = Array.from(randomBytes(LENGTH), (byte) => ALPHABET[byte & 31]).join('')
  const at = ctx.clock()
  const row = {
    code,
    created_by: by,
    created_at: at,
    expires_at: options.durationMinutes ? at + options.durationMinutes * MINUTE : null,
    max_uses: options.maxUses ?? null,
    uses: 0,
  }
  await ctx.db.transact(async (tx) => {
    await insertInvite(tx, row)
    // Not the code: it is good for an account, and the log is read by more people than may invite.
    const details = { max_uses: row.max_uses, expires_at: row.expires_at }
    recordAudit(tx, {
      actorId: by,
      action: 'invite.created',
      targetType: 'invite',
      targetId: code.slice(0, 4),
      details,
      at,
    })
  })
  return { ...row, created_by_name: null }
}

/** Makes an invite worthless. @throws HttpError 404 */
export async function revokeInvite(ctx: Deps, by: string | null, code: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    if (!(await deleteInvite(tx, normalCode(code)))) throw notFound('Invite')
    const target = { targetType: 'invite', targetId: normalCode(code).slice(0, 4) }
    recordAudit(tx, { actorId: by, action: 'invite.revoked', ...target, at: ctx.clock() })
  })
}

/** A code as it was made, however it was copied. */
export function normalCode(text: string): string {
  return text.trim().toLowerCase().replace(/[\s-]/g, '').replaceAll('o', '0').replace(/[il]/g, '1')
}

export function inviteToWire(row: InviteRow) {
  return {
    code: row.code,
    created_by:
      row.created_by === null ? null : { id: row.created_by, username: row.created_by_name ?? 'unknown' },
    created_at: isoTime(row.created_at),
    expires_at: isoTimeOrNull(row.expires_at),
    max_uses: row.max_uses,
    uses: row.uses,
  }
}
