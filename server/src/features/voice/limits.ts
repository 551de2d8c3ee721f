import type { Context } from '#context'
import type { VoiceLimitTable } from '#db/tables.ts'
import { demand, type Actor } from '#http/access.ts'
import { recordAudit } from '#features/audit/index.ts'
import { accessVoiceChannel } from './join.ts'
import { findLimits, putLimits } from './store.ts'

export type LimitChange = Partial<Pick<VoiceLimitTable, 'max_participants' | 'bitrate_kbps'>>

/** Limits of a voice channel; what is not given stays. They count for those who join from now on. @throws HttpError 400, 404 */
export function changeLimits(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  channelId: string,
  change: LimitChange,
): Promise<VoiceLimitTable> {
  return ctx.db.transact(async (tx) => {
    const { channel } = await accessVoiceChannel(tx, actor, channelId)
    demand(actor, 'edit_channels', channel.standing)
    const before = await findLimits(tx, channelId)
    const row = {
      channel_id: channelId,
      max_participants: before?.max_participants ?? null,
      bitrate_kbps: before?.bitrate_kbps ?? null,
      ...change,
      changed_at: ctx.clock(),
    }
    await putLimits(tx, row)
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'voice.limits_changed',
      targetType: 'channel',
      targetId: channelId,
      details: { ...change },
      at: row.changed_at,
    })
    return row
  })
}
