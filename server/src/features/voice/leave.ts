import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { VoiceSessionTable } from '#db/tables.ts'
import { countPresent, endSession, lockRunningSession, markLeft } from './store.ts'

export interface Left {
  readonly channelId: string
  readonly participantCount: number
  readonly sessionEnded: boolean
}

/** Takes somebody out of a voice session; the last one ends it. @returns undefined when they are not in it */
export function leaveVoice(
  ctx: Pick<Context, 'db' | 'clock'>,
  who: { sessionId: string; userId: string },
  reason: string,
): Promise<Left | undefined> {
  return ctx.db.transact(async (tx) => {
    const session = await lockRunningSession(tx, { sessionId: who.sessionId })
    return session && leaveWithin(tx, session, who.userId, { now: ctx.clock(), reason })
  })
}

/** Like {@link leaveVoice}, within the transaction that has the session locked. */
export async function leaveWithin(
  tx: Tx,
  session: VoiceSessionTable,
  userId: string,
  { now, reason }: { now: number; reason: string },
): Promise<Left | undefined> {
  if (!(await markLeft(tx, session.id, userId, now))) return undefined
  const participantCount = await countPresent(tx, session.id)
  const sessionEnded = participantCount === 0
  if (sessionEnded) await endSession(tx, session.id, now)
  const channelId = session.channel_id
  tx.publish({
    type: 'voice.left',
    sessionId: session.id,
    channelId,
    userId,
    participantCount,
    sessionEnded,
    reason,
  })
  return { channelId, participantCount, sessionEnded }
}
