import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { OverrideFacts } from '#events/events.ts'
import { recordAudit } from '#features/audit/index.ts'
import { findUser } from '#features/accounts/index.ts'
import { listOverrides, putOverride, rolesOf } from '#features/roles/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, forbidden, invalidField, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { can, type ChannelStanding } from '#lib/permission.ts'
import { channelRights, type Right } from '#lib/rights.ts'
import { accessChannelWith, channelNotFound } from './access.ts'
import { updateChannel } from './store.ts'
import { factsOf } from './wire.ts'

const MAX_OVERRIDES = 200

type Deps = Pick<Context, 'db' | 'clock' | 'roles'>

/** What a channel says about roles and people. @throws HttpError 403, 404 */
export async function readOverrides(db: Db, actor: Actor, channelId: string): Promise<OverrideFacts[]> {
  await accessChannelWith(db, actor, 'edit_channels', channelId)
  return listOverrides(db, channelId)
}

/**
 * Replaces what a channel says about a role or a person; saying nothing removes it. It acts at once, on open sockets
 * too.
 *
 * @throws HttpError 400, 403 about what does not rank below the actor or about rights that they lack, 404, 422
 */
export async function overrideRights(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  said: OverrideFacts,
): Promise<OverrideFacts[]> {
  demandChannelRights('allow', said.allow)
  demandChannelRights('deny', said.deny)
  if (said.allow.some((right) => said.deny.includes(right))) {
    throw badRequest('A right cannot be allowed and denied at once')
  }
  return ctx.db.transact(async (tx) => {
    const { standing } = await accessChannelWith(tx, actor, 'edit_channels', channelId)
    const row = await updateChannel(tx, channelId, {}, { access: true, now: ctx.clock() })
    if (!row) throw channelNotFound(channelId)
    await demandBelow(ctx, tx, actor, said)
    const all = await listOverrides(tx, channelId)
    const before = all.find((one) => isAbout(one, said))
    demandHeld(actor, standing, before, said)
    if (!before && all.length >= MAX_OVERRIDES) {
      throw badRequest(`A channel has at most ${MAX_OVERRIDES} overrides`)
    }
    await putOverride(tx, channelId, said, ctx.clock())
    const overrides = await listOverrides(tx, channelId)
    const channel = factsOf(row)
    tx.publish({ type: 'channel.access_changed', channel, revision: row.access_revision, overrides })
    tx.publish({ type: 'channel.updated', channel })
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'channel.override_changed',
      targetType: 'channel',
      targetId: channelId,
      details: {
        channel_name: row.name,
        subject_type: said.subjectType,
        subject_id: said.subjectId,
        before: { allow: before?.allow ?? [], deny: before?.deny ?? [] },
        after: { allow: said.allow, deny: said.deny },
      },
      at: ctx.clock(),
    })
    return overrides
  })
}

function isAbout(one: OverrideFacts, other: OverrideFacts): boolean {
  return one.subjectType === other.subjectType && one.subjectId === other.subjectId
}

function demandChannelRights(field: string, ids: readonly string[]): void {
  const wrong = ids.find((id) => !(channelRights as readonly string[]).includes(id))
  if (wrong === undefined) return
  throw invalidField(['body', field], `'${wrong}' is not a privilege of channels`, 'value_error')
}

async function demandBelow(
  ctx: Deps,
  tx: Tx,
  actor: Actor,
  { subjectType, subjectId }: OverrideFacts,
): Promise<void> {
  const list = ctx.roles.current
  if (subjectType === 'role' ? !list.get(subjectId) : !isId(subjectId) || !(await findUser(tx, subjectId))) {
    throw notFound(subjectType === 'role' ? 'Role' : 'User', subjectId)
  }
  if (actor.roles.includes('owner')) return
  // Also refuses to speak about oneself: what a role gave would outlast the role.
  const subject = subjectType === 'role' ? [subjectId] : await rolesOf(tx, subjectId)
  if (list.topPlace(subject) > list.topPlace(actor.roles)) return
  throw forbidden(`This ${subjectType === 'role' ? 'role' : 'person'} does not rank below you`)
}

/** Nobody gives or takes in a channel what they do not have there. */
function demandHeld(
  actor: Actor,
  standing: ChannelStanding,
  before: OverrideFacts | undefined,
  after: OverrideFacts,
): void {
  for (const right of channelRights) {
    if (saidOf(before, right) === saidOf(after, right) || can(actor, right, standing).allowed) continue
    throw forbidden(`You cannot give or take what you do not have here: '${right}'`)
  }
}

function saidOf(override: OverrideFacts | undefined, right: Right): 'allow' | 'deny' | undefined {
  if (override?.allow.includes(right)) return 'allow'
  return override?.deny.includes(right) ? 'deny' : undefined
}
