import type { Context } from '#context'
import { chooseStatus, parseStatus, statuses } from '#features/accounts/index.ts'
import { markAsRead } from '#features/messages/index.ts'
import { HttpError } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import { channelIdOf } from '#lib/conversation-id.ts'
import type { Viewer } from './audience.ts'
import type { Connection } from './connection.ts'
import type { Typing } from './typing.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'log' | 'conversations'>

/**
 * What one client sends, acted on frame by frame in the order it came. What is no JSON object, or of a type that is
 * not known, is ignored, as clients expect; what is known but wrong is answered with an `error` frame.
 */
export class Incoming {
  readonly #ctx: Deps
  readonly #connection: Connection
  readonly #viewer: Viewer
  readonly #typing: Typing
  #turn = Promise.resolve()

  constructor(ctx: Deps, connection: Connection, viewer: Viewer, typing: Typing) {
    this.#ctx = ctx
    this.#connection = connection
    this.#viewer = viewer
    this.#typing = typing
  }

  take(text: string): void {
    const frame = parseObject(text)
    if (!frame) return
    if (frame['type'] === 'ping') {
      // Not in turn: whoever asks whether the server is there waits only so long.
      return this.#connection.send({ type: 'pong', timestamp: isoTime(this.#ctx.clock()) })
    }
    this.#turn = this.#turn.then(() => this.#perform(frame))
  }

  async #perform(frame: Record<string, unknown>): Promise<void> {
    // The session may have ended since the frame came.
    if (!this.#connection.isOpen) return
    try {
      if (frame['type'] === 'typing') await this.#notice(frame['channel_id'])
      else await act(this.#ctx, this.#connection, this.#viewer, frame)
    } catch (error) {
      if (error instanceof HttpError && error.status < 500)
        return this.#connection.send({ type: 'error', error: error.detail })
      this.#ctx.log.error({ err: error, user_id: this.#connection.userId }, 'a socket frame failed')
      this.#connection.send({ type: 'error', error: 'Internal server error' })
    }
  }

  /** On a socket for one channel, `channel_id` may be left out. */
  #notice(named: unknown): Promise<void> | void {
    const { channelId = typeof named === 'string' ? channelIdOf(named) : undefined } = this.#connection
    if (channelId === undefined)
      return this.#connection.send({ type: 'error', error: 'channel_id must be a string' })
    return this.#typing.notice(this.#viewer.standing(this.#ctx.clock()), channelId)
  }
}

async function act(
  ctx: Deps,
  connection: Connection,
  viewer: Viewer,
  frame: Record<string, unknown>,
): Promise<void> {
  switch (frame['type']) {
    case 'read_confirmation':
      return confirmRead(ctx, connection, viewer, frame)
    case 'presence_update':
    case 'status_update':
    case 'user_status_changed': {
      const status = typeof frame['status'] === 'string' ? parseStatus(frame['status']) : undefined
      if (!status)
        return connection.send({ type: 'error', error: `status must be one of ${statuses.join(', ')}` })
      return chooseStatus(ctx, connection.userId, status, 'ws_client_update')
    }
    default:
  }
}

/** `channel_id` may be left out: the message tells its channel. */
async function confirmRead(
  ctx: Deps,
  connection: Connection,
  viewer: Viewer,
  { message_id: messageId, channel_id: named }: Record<string, unknown>,
): Promise<void> {
  if (typeof messageId !== 'string')
    return connection.send({ type: 'error', error: 'message_id must be a string' })
  const channelId = connection.channelId ?? (typeof named === 'string' ? channelIdOf(named) : undefined)
  await markAsRead(ctx, viewer.standing(ctx.clock()), channelId, messageId)
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
