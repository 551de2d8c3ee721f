import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import { findUser } from '#features/accounts/index.ts'
import { overridesFor, rolesOf } from '#features/roles/index.ts'
import { restrictionsOf } from '#features/restrictions/index.ts'
import type { Actor } from '#http/access.ts'
import { forbidden, invalidField, notFound } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { isId } from '#lib/id.ts'
import {
  can,
  noOverrides,
  type ChannelStanding,
  type Decision,
  type Reason,
  type Standing,
} from '#lib/permission.ts'
import { channelRights, isRight, type Right } from '#lib/rights.ts'
import { accessChannel, channelNotFound, standingOf } from './access.ts'
import { findChannel } from './store.ts'

type Deps = Pick<Context, 'db' | 'roles' | 'clock'>

/**
 * Why somebody may or may not do something: the decision itself, by the function that decides.
 *
 * @param question.userId about whom; others only for those who manage the channel or the roles
 * @throws HttpError 403, 404, 422
 */
export async function explain(
  { db, roles, clock }: Deps,
  actor: Actor,
  question: { userId: string; right: string; channelId: string | undefined },
): Promise<Decision> {
  const { userId, right, channelId } = question
  if (!isRight(right))
    throw invalidField(['body', 'privilege_id'], `there is no privilege '${right}'`, 'value_error')
  const channel = channelId === undefined ? undefined : await accessChannel(db.read, actor, channelId)
  if (userId === actor.userId) return can(actor, right, channel?.standing)
  const manages =
    can(actor, 'manage_server_privileges').allowed ||
    (channel !== undefined && can(actor, 'edit_channels', channel.standing).allowed)
  if (!manages) throw forbidden('Only who manages roles or the channel is told about others')
  if (!isId(userId) || !(await findUser(db.read, userId))) throw notFound('User', userId)
  const { timeout } = await restrictionsOf(db.read, userId, clock())
  const held = await rolesOf(db.read, userId)
  const person = roles.standing(userId, held, timeout?.until ?? null)
  return can(
    person,
    right,
    channelId === undefined ? undefined : await standingIn(db.read, person, channelId),
  )
}

async function standingIn(db: Db, person: Standing, channelId: string): Promise<ChannelStanding> {
  const row = await findChannel(db, channelId, person.userId)
  if (!row) throw channelNotFound(channelId)
  return standingOf(row, (await overridesFor(db, [channelId], person)).get(channelId) ?? noOverrides)
}

/** What `actor` may do in a channel that they may see. @throws HttpError 404 */
export async function rightsIn(db: Db, actor: Actor, channelId: string): Promise<Right[]> {
  const { standing } = await accessChannel(db, actor, channelId)
  return channelRights.filter((right) => can(actor, right, standing).allowed)
}

/** A decision in words. */
export function inWords({ allowed, because }: Decision): string {
  const verb = allowed ? 'allows' : 'denies'
  switch (because.by) {
    case 'owner':
      return 'Owners may do everything'
    case 'role':
      return `The role '${because.roleId}' gives it`
    case 'member_override':
      return `The channel ${verb} it to this person`
    case 'role_override':
      return `The channel ${verb} it to the role '${because.roleId}', the highest one it says something about`
    case 'membership':
      return 'This person is in the channel'
    case 'no_role':
      return 'None of their roles gives it'
    case 'private':
      return 'The channel is private and this person is not in it'
    case 'direct_conversation':
      return 'A direct conversation belongs to its participants alone'
    case 'timeout':
      return `This person is timed out until ${isoTime(because.until)}`
    case 'hidden':
      return `This person does not see the channel: ${inWords({ allowed: false, because: because.because })}`
  }
}

export function reasonToWire(because: Reason) {
  return {
    by: because.by,
    role_id: 'roleId' in because ? because.roleId : null,
    until: 'until' in because ? isoTime(because.until) : null,
  }
}
