import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer, type WebSocket } from 'ws'
import type { Context } from '#context'
import { HttpError } from '#http/errors.ts'
import { isoTime } from '#lib/clock.ts'
import type { SlotMode } from '#sfu/messages.ts'
import { iceServersFor } from './ice-servers.ts'
import { verifyJoinToken } from './join-token.ts'
import { parseResumeToken, type LiveParticipant } from './live.ts'
import { SignalSocket } from './signal-socket.ts'
import { spendJoinToken } from './store.ts'

/** Where clients agree with the media server on how media flows. */
export const SIGNALLING_PATH = '/rtc/v1/ws'

/** A session description is the largest thing a client sends. */
const MAX_FRAME = 256 * 1024
const MAX_SLOTS = 32

type Deps = Pick<Context, 'clock' | 'config' | 'db' | 'instance' | 'keyring' | 'log' | 'sfu' | 'voice'>

/**
 * Makes what takes signalling sockets in. Who may not come is told so by a frame after the upgrade, as clients of these
 * sockets expect.
 */
export function signallingAcceptor(
  ctx: Deps,
): (request: IncomingMessage, stream: Duplex, head: Buffer) => void {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME,
    perMessageDeflate: false,
    clientTracking: false,
  })
  return (request, stream, head) => {
    const { searchParams } = new URL(request.url ?? '', 'http://localhost')
    sockets.handleUpgrade(request, stream, head, (socket) => {
      open(ctx, socket, searchParams).catch((error: unknown) => {
        ctx.log.error({ err: error }, 'a signalling socket failed')
        socket.close(1011, 'internal error')
      })
    })
  }
}

async function open(ctx: Deps, webSocket: WebSocket, parameters: URLSearchParams): Promise<void> {
  let client: Client | undefined
  // Frames that come before it is known who this is wait their turn.
  const early: Record<string, unknown>[] = []
  const socket = new SignalSocket(webSocket, {
    onFrame: (frame) => {
      if (client) void client.take(frame)
      else if (early.push(frame) > 20) socket.close(1008, 'too many frames')
    },
    onClose: () => client?.closed(),
  })
  if (ctx.instance.stopping) return socket.close(1001, 'the server is stopping')
  try {
    client = await admit(ctx, socket, parameters)
  } catch (error) {
    if (error instanceof HttpError) return socket.refuse(error.detail)
    if (error instanceof RefusedError) return socket.refuse(error.message)
    throw error
  }
  if (!socket.isOpen) return client.closed()
  for (const frame of early) void client.take(frame)
}

/** Why a client may not come in, for it to read. */
class RefusedError extends Error {}

/** @throws RefusedError, HttpError */
async function admit(ctx: Deps, socket: SignalSocket, parameters: URLSearchParams): Promise<Client> {
  const resumeToken = parameters.get('resume_token')
  if (resumeToken !== null) return resume(ctx, socket, resumeToken)
  const claims = await verifyJoinToken(ctx, parameters.get('join_token') ?? '')
  const isFresh = claims && (await ctx.db.transact((tx) => spendJoinToken(tx, claims.jti, ctx.clock())))
  const participant = claims && ctx.voice.participant(claims.sessionId, claims.userId)
  if (!isFresh || !participant) throw new RefusedError('invalid join token')
  await ctx.voice.settled(participant)
  if (await participant.socket?.answers()) throw new RefusedError('already connected in this session')
  await ctx.voice.connect(participant, socket, slotModeOf(parameters.get('slots')))
  if (participant.peer === undefined) throw new RefusedError('invalid join token')
  const client = new Client(ctx, socket, participant)
  client.sayJoined()
  return client
}

function resume(ctx: Deps, socket: SignalSocket, token: string): Client {
  const named = parseResumeToken(token)
  const participant = named && ctx.voice.participant(named.sessionId, named.userId)
  if (!participant?.acceptsResume(named!.secret)) throw new RefusedError('invalid resume token')
  if (!ctx.voice.resume(participant, socket)) throw new RefusedError('the connection was lost')
  const client = new Client(ctx, socket, participant)
  client.sayJoined({ resumed: true })
  ctx.sfu.repeat(participant.peer!)
  return client
}

function slotModeOf(text: string | null): SlotMode {
  const slots = /^\d{1,3}$/.test(text ?? '') ? Number(text) : 0
  return slots > 0 ? Math.min(slots, MAX_SLOTS) : 'named'
}

/** One client on its signalling socket. Frames are acted on in the order in which they came. */
class Client {
  readonly #ctx: Deps
  readonly #socket: SignalSocket
  readonly #participant: LiveParticipant
  #turn = Promise.resolve()

  constructor(ctx: Deps, socket: SignalSocket, participant: LiveParticipant) {
    this.#ctx = ctx
    this.#socket = socket
    this.#participant = participant
  }

  sayJoined(extra: { resumed?: true } = {}): void {
    const { sessionId, userId, channelId } = this.#participant
    this.#socket.send({
      type: 'joined',
      session_id: sessionId,
      user_id: userId,
      channel_id: channelId,
      participants: this.#ctx.voice.connected(sessionId).map(participantToWire),
      ice_servers: iceServersFor(this.#ctx, userId),
      resume_token: this.#participant.newResumeToken(),
      ...extra,
    })
  }

  closed(): void {
    this.#ctx.voice.disconnected(this.#participant, this.#socket)
  }

  take(frame: Record<string, unknown>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      // They may have left, or another socket may be theirs now.
      if (this.#participant.socket !== this.#socket) return
      await this.#act(frame)
    })
    return this.#turn
  }

  async #act(frame: Record<string, unknown>): Promise<void> {
    const { voice, sfu } = this.#ctx
    const { sessionId, peer } = this.#participant
    switch (frame['type']) {
      case 'join':
        return this.sayJoined()
      case 'ping':
        return this.#socket.send({ type: 'pong', session_id: sessionId })
      case 'candidate':
        // The media server is found by its own candidates and learns the client's ways from its checks (ICE lite).
        return
      case 'leave':
        return voice.leave(this.#participant, 'left')
      case 'audio_state':
        return this.#setState(frame['audio_state'])
      case 'offer': {
        const sdp = sdpOf(frame['offer'])
        if (sdp === undefined || peer === undefined) return this.#socket.fail('offer must be {type, sdp}')
        const result = await sfu.offer(peer, sdp)
        if ('refused' in result) return this.#socket.fail(result.refused)
        // Both sides offered at once: the server's offer, which is under way, counts.
        if (result.sdp === undefined) return
        return this.#socket.send({
          type: 'answer',
          session_id: sessionId,
          answer: { type: 'answer', sdp: result.sdp },
        })
      }
      case 'answer': {
        const sdp = sdpOf(frame['answer'])
        if (sdp === undefined || peer === undefined) return this.#socket.fail('answer must be {type, sdp}')
        const result = await sfu.answer(peer, sdp)
        return 'refused' in result ? this.#socket.fail(result.refused) : undefined
      }
      default:
        return this.#socket.fail(`unsupported message type: ${String(frame['type']).slice(0, 50)}`)
    }
  }

  #setState(value: unknown): void {
    if (typeof value !== 'object' || value === null) return this.#socket.fail('audio_state must be an object')
    const given = value as Record<string, unknown>
    const flag = (name: string): boolean | undefined =>
      typeof given[name] === 'boolean' ? given[name] : undefined
    const [muted, deafened, speaking] = [flag('is_muted'), flag('is_deafened'), flag('is_speaking')]
    const change = {
      ...(muted !== undefined && { muted }),
      ...(deafened !== undefined && { deafened }),
      ...(speaking !== undefined && { speaking }),
    }
    this.#ctx.voice.setOwn(this.#participant, change, 'audio_state')
  }
}

function sdpOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { sdp } = value as { sdp?: unknown }
  return typeof sdp === 'string' ? sdp : undefined
}

function participantToWire({ userId, username, state, rights, connectedAt }: LiveParticipant) {
  return {
    user_id: userId,
    username,
    is_muted: state.isMuted,
    is_deafened: state.isDeafened,
    is_speaking: state.isSpeaking,
    scope: rights.speak ? 'recv send_audio' : 'recv',
    connected_at: isoTime(connectedAt!),
  }
}
