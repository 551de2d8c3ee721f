import type { Context } from '#context'
import { isoTime } from '#lib/clock.ts'
import { iceServersFor } from './ice-servers.ts'
import type { Joined } from './join.ts'
import { SIGNALLING_PATH } from './signalling.ts'

/** Where clients connect for media: the signalling socket of this server. */
export function signallingUrl({ instance }: Pick<Context, 'instance'>): string {
  return instance.origin.replace(/^http/, 'ws') + SIGNALLING_PATH
}

/** What a client needs to connect, as several answers carry it. */
export function connectionAnswer(
  ctx: Pick<Context, 'config' | 'clock' | 'instance'>,
  userId: string,
  { session, joinToken, expiresAt }: Joined,
) {
  return {
    session_id: session.id,
    join_token: joinToken,
    signaling_url: signallingUrl(ctx),
    ice_servers: iceServersFor(ctx, userId),
    expires_at: isoTime(expiresAt),
  }
}
