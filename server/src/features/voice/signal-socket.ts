import type { WebSocket } from 'ws'

const PING_MS = 20_000
const PONG_MS = 45_000
const PROBE_MS = 2_000
const CLOSE_MS = 2_000
/** Frames that a client may send in ten seconds. */
const INCOMING_LIMIT = 200
const INCOMING_WINDOW_MS = 10_000
/** Unsent bytes beyond which a client is too slow to be of use. */
const MAX_QUEUE = 1024 * 1024

/** A signalling socket: JSON frames both ways, pings, and a bound on what comes in. */
export class SignalSocket {
  readonly #socket: WebSocket
  readonly #pinger: NodeJS.Timeout
  #heard = performance.now()
  #incoming = 0
  #windowStart = 0

  constructor(
    socket: WebSocket,
    handlers: { onFrame: (frame: Record<string, unknown>) => void; onClose: () => void },
  ) {
    this.#socket = socket
    this.#pinger = setInterval(() => this.#ping(), PING_MS).unref()
    socket.on('error', () => socket.terminate())
    socket.on('pong', () => {
      this.#heard = performance.now()
    })
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!this.#admit()) return this.close(1008, 'too many frames')
      const frame = isBinary ? undefined : parseObject(String(data))
      if (frame) handlers.onFrame(frame)
      else this.fail('a frame must be a JSON object')
    })
    socket.on('close', () => {
      clearInterval(this.#pinger)
      handlers.onClose()
    })
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN
  }

  send(frame: object): void {
    if (!this.isOpen) return
    if (this.#socket.bufferedAmount > MAX_QUEUE) return this.#socket.terminate()
    this.#socket.send(JSON.stringify(frame))
  }

  /** Says what is wrong; the socket stays open. */
  fail(error: string): void {
    this.send({ type: 'error', error })
  }

  /** Says why, and closes. */
  refuse(error: string, code = 1008): void {
    this.fail(error)
    this.close(code, '')
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason)
    setTimeout(() => this.#socket.terminate(), CLOSE_MS).unref()
  }

  /** Whether there is still somebody at the other end: asks, and waits a moment for the answer. */
  async answers(): Promise<boolean> {
    if (!this.isOpen) return false
    const asked = performance.now()
    this.#socket.ping()
    return new Promise((resolve) => {
      const finish = (alive: boolean): void => {
        clearTimeout(timer)
        this.#socket.off('pong', check).off('close', check)
        resolve(alive)
      }
      const check = (): void => finish(this.isOpen && this.#heard >= asked)
      const timer = setTimeout(() => finish(false), PROBE_MS)
      this.#socket.on('pong', check).on('close', check)
    })
  }

  #ping(): void {
    if (performance.now() - this.#heard > PONG_MS) this.#socket.terminate()
    else if (this.isOpen) this.#socket.ping()
  }

  #admit(): boolean {
    const now = performance.now()
    if (now - this.#windowStart > INCOMING_WINDOW_MS) {
      this.#windowStart = now
      this.#incoming = 0
    }
    return ++this.#incoming <= INCOMING_LIMIT
  }
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
