import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Client } from '#http/client-address.ts'
import { textFrame } from './frame.ts'

/** Close codes of ours, beside those of RFC 6455. */
export const CloseCode = {
  /** The server stops or restarts: connect again. */
  goingAway: 1001,
  /** The session ended, or access to the channel of this socket was lost. */
  policy: 1008,
  /** The client reads too slowly: connect again and resume. */
  tooSlow: 4008,
  /** The cursor is too old or not ours: load by REST and connect without it. */
  cannotResume: 4009,
} as const

/** How long a peer gets to answer a close before its socket is torn down. */
const CLOSE_MS = 2_000

export interface ConnectionOptions {
  readonly socket: WebSocket
  /** The stream under the WebSocket, for frames that were made once for many. */
  readonly stream: Duplex
  readonly userId: string
  readonly sessionId: string
  /** From where it was opened. */
  readonly client: Client
  /** The one channel this socket is for; undefined for the global stream. */
  readonly channelId: string | undefined
  /** Bytes that may wait for a slow reader. */
  readonly queueBytes: number
}

/** One open socket. Frames that come while it is replaying what was missed are held back until it has. */
export class Connection {
  readonly userId: string
  readonly sessionId: string
  readonly client: Client
  readonly channelId: string | undefined
  readonly socket: WebSocket
  readonly #stream: Duplex
  readonly #queueBytes: number
  #held: Buffer[] | undefined
  #heldBytes = 0
  #closing = false
  #alive = true

  constructor(options: ConnectionOptions) {
    this.socket = options.socket
    this.userId = options.userId
    this.sessionId = options.sessionId
    this.client = options.client
    this.channelId = options.channelId
    this.#stream = options.stream
    this.#queueBytes = options.queueBytes
    this.socket.on('pong', () => {
      this.#alive = true
    })
  }

  get isOpen(): boolean {
    return !this.#closing && this.socket.readyState === this.socket.OPEN
  }

  /** Writes a frame, or cuts the socket when too much waits already: a slow reader must not cost memory. */
  write(frame: Buffer): boolean {
    if (this.#closing) return false
    if (this.#held) {
      this.#held.push(frame)
      this.#heldBytes += frame.length
      if (this.#heldBytes > this.#queueBytes) this.close(CloseCode.tooSlow, 'too slow')
      return true
    }
    if (this.#stream.writableLength > this.#queueBytes) {
      this.close(CloseCode.tooSlow, 'too slow')
      return false
    }
    this.#stream.write(frame)
    return true
  }

  send(body: object): void {
    this.write(textFrame(JSON.stringify(body)))
  }

  /** Holds back what comes live until {@link release}. */
  hold(): void {
    this.#held = []
  }

  /** Writes during a hold: what was missed comes before what is held. */
  writePast(frame: Buffer): void {
    if (!this.#closing) this.#stream.write(frame)
  }

  /** Resolves when the peer has taken enough for more to be written. */
  async drained(): Promise<void> {
    while (!this.#closing && this.#stream.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          this.#stream.off('drain', done).off('close', done)
          resolve()
        }
        this.#stream.once('drain', done).once('close', done)
      })
    }
  }

  /** Ends the hold: what came meanwhile follows. */
  release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const frame of held) this.write(frame)
  }

  /** @returns false when the peer has not answered the last ping */
  checkAlive(pingFrame: Buffer): boolean {
    if (!this.#alive) return false
    this.#alive = false
    if (!this.#closing) this.#stream.write(pingFrame)
    return true
  }

  close(code: number, reason: string): void {
    if (this.#closing) return
    this.#closing = true
    this.#held = undefined
    this.socket.close(code, reason)
    const timer = setTimeout(() => this.socket.terminate(), CLOSE_MS)
    timer.unref()
    this.socket.once('close', () => clearTimeout(timer))
  }
}
