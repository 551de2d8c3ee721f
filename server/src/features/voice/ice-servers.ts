import { createHmac } from 'node:crypto'
import type { Context } from '#context'

/** As clients hand it to their RTCPeerConnection. */
export interface IceServer {
  readonly urls: string
  readonly username?: string
  readonly credential?: string
}

/**
 * The STUN and TURN servers that the operator named. Each client gets a TURN password of its own for a limited time,
 * made from the secret shared with the TURN server (draft-uberti-behave-turn-rest-00, as coturn has it).
 */
export function iceServersFor(ctx: Pick<Context, 'config' | 'clock'>, userId: string): IceServer[] {
  const { stun_urls, turn_urls, turn_secret, turn_minutes } = ctx.config.voice
  const servers: IceServer[] = stun_urls.map((urls) => ({ urls }))
  if (turn_secret === '') return servers
  const username = `${Math.floor(ctx.clock() / 1000) + turn_minutes * 60}:${userId}`
  const credential = createHmac('sha1', turn_secret).update(username).digest('base64')
  return [...servers, ...turn_urls.map((urls) => ({ urls, username, credential }))]
}
