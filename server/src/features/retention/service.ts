import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import { accessChannel } from '#features/channels/index.ts'
import { writeSettings } from '#features/instance/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import type { Actor } from '#http/access.ts'
import { findDays, setDays } from './store.ts'

/** Sets for how many days messages are kept where the channel says nothing else; 0 for ever. */
export async function setServerRetention(
  ctx: Pick<Context, 'db' | 'clock' | 'settings'>,
  actorId: string,
  days: number,
): Promise<void> {
  const at = ctx.clock()
  await ctx.db.transact(async (tx) => {
    await writeSettings(tx, { message_retention_days: days }, at)
    recordAudit(tx, {
      actorId,
      action: 'retention.changed',
      targetType: 'server',
      targetId: 'server',
      details: { days },
      at,
    })
    const setting = { field: 'message_retention_days', new_value: days, setting_type: 'number' }
    recordActivity(tx, { type: 'server_settings_updated', userId: actorId, details: setting, at })
    tx.publish({ type: 'settings.changed' })
  })
  await ctx.settings.reload()
}

/** @returns days; null when the channel follows the server. @throws HttpError 404 */
export async function readChannelRetention(
  ctx: Pick<Context, 'db'>,
  actor: Actor,
  channelId: string,
): Promise<number | null> {
  await accessChannel(ctx.db.read, actor, channelId)
  return findDays(ctx.db.read, channelId)
}

/**
 * Sets for how many days messages of a channel are kept: null follows the server, 0 is for ever.
 *
 * @throws HttpError 404
 */
export async function setChannelRetention(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  channelId: string,
  days: number | null,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    await accessChannel(tx, actor, channelId)
    await setDays(tx, channelId, days)
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'retention.changed',
      targetType: 'channel',
      targetId: channelId,
      details: { days },
      at: ctx.clock(),
    })
  })
}
