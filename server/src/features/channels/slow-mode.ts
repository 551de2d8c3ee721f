import type { Tx } from '#db/database.ts'
import { HttpError } from '#http/errors.ts'
import { can, type ChannelStanding, type Standing } from '#lib/permission.ts'
import { lastTurn, takeTurn } from './store.ts'

/** Six hours: longer pauses are a read-only channel. */
export const MAX_SLOW_MODE_SECONDS = 21_600

/**
 * Takes somebody's turn in a channel that lets everybody write once in a while. Who moderates there need not wait.
 *
 * @throws HttpError 429 before it is their turn again
 */
export async function awaitTurn(
  tx: Tx,
  person: Standing,
  channel: { id: string; slowModeSeconds: number; standing: ChannelStanding },
  now: number,
): Promise<void> {
  const pause = channel.slowModeSeconds * 1000
  if (pause === 0 || can(person, 'moderate_content', channel.standing).allowed) return
  if (await takeTurn(tx, channel.id, person.userId, { since: now - pause, now })) return
  const last = (await lastTurn(tx, channel.id, person.userId)) ?? now
  // A clock that stepped back must not make anybody wait for longer than the pause.
  const wait = Math.min(pause, Math.max(1, last + pause - now))
  const seconds = Math.ceil(wait / 1000)
  throw new HttpError(429, `This channel is in slow mode: you can write again in ${seconds} s`, {
    retryAfterSeconds: seconds,
  })
}
