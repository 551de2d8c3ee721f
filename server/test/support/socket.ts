import { WebSocket } from 'ws'
import type { TestServer } from './server.ts'

export interface SocketOptions {
  readonly token?: string
  /** For the channel's own stream; without it the global one. */
  readonly channel?: string
  /** Of another socket than that of the gateway. */
  readonly path?: string
  readonly resume?: string
  readonly headers?: Record<string, string>
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into frames of every shape
type Frame = any

const WAIT_MS = 30_000

/** The server answered an upgrade with HTTP. */
export class RefusedError extends Error {
  readonly status: number
  readonly body: string
  readonly headers: Readonly<Record<string, unknown>>

  constructor(status: number, body: string, headers: Readonly<Record<string, unknown>>) {
    super(`refused with ${status}: ${body}`)
    this.status = status
    this.body = body
    this.headers = headers
  }
}

/** A client's socket that keeps every frame it got. Waits are for events, never for time. */
export class TestSocket implements Disposable {
  readonly socket: WebSocket
  readonly frames: Frame[] = []
  /** Frames handed out by `next` so far. */
  #taken = 0
  readonly #wake = new Set<() => void>()
  #closed: { code: number; reason: string } | undefined

  private constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      this.#notify()
    })
    socket.on('close', (code, reason) => {
      this.#closed = { code, reason: String(reason) }
      this.#notify()
    })
    socket.on('error', () => {})
  }

  /** @throws RefusedError when the server answers with something other than a socket */
  static open(server: Pick<TestServer, 'url'>, options: SocketOptions): Promise<TestSocket> {
    const url = new URL(
      server.url.replace('http', 'ws') +
        (options.path ?? (options.channel ? `/ws/channels/${options.channel}` : '/ws')),
    )
    if (options.token !== undefined) url.searchParams.set('auth_token', options.token)
    if (options.resume !== undefined) url.searchParams.set('resume', options.resume)
    const socket = new WebSocket(url, { headers: options.headers ?? {}, perMessageDeflate: false })
    const client = new TestSocket(socket)
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client))
      socket.once('unexpected-response', (_request, response) => {
        let body = ''
        response.on('data', (chunk) => (body += String(chunk)))
        response.on('end', () => reject(new RefusedError(response.statusCode ?? 0, body, response.headers)))
      })
      socket.once('error', reject)
    })
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** The next frame of `type` (or any but presence) that was not handed out before. */
  async next(type?: string): Promise<Frame> {
    const wanted = (frame: Frame): boolean =>
      type === undefined ? frame.type !== 'user_status_changed' : frame.type === type
    await this.#until(() => {
      while (this.#taken < this.frames.length && !wanted(this.frames[this.#taken])) this.#taken++
      return this.#taken < this.frames.length
    }, type ?? 'a frame')
    return this.frames[this.#taken++]
  }

  /** Everything the server had to say up to now: sends a ping and returns what came before its answer. */
  async settled(): Promise<Frame[]> {
    const before = this.frames.filter(({ type }) => type === 'pong').length
    this.send({ type: 'ping' })
    await this.#until(() => this.frames.filter(({ type }) => type === 'pong').length > before, 'pong')
    return this.frames.filter(({ type }) => type !== 'pong')
  }

  /** Texts of all messages that came, in their order. */
  get texts(): string[] {
    return this.frames.filter(({ type }) => type === 'message').map(({ message }) => message as string)
  }

  /** The last cursor the server gave. */
  get cursor(): string {
    return this.frames.findLast((frame) => frame.cursor !== undefined)?.cursor as string
  }

  /** Waits until the server has closed the socket. */
  async closed(): Promise<{ code: number; reason: string }> {
    await this.#until(() => this.#closed !== undefined, 'close', true)
    return this.#closed!
  }

  [Symbol.dispose](): void {
    this.socket.terminate()
  }

  #until(condition: () => boolean, what: string, closeIsFine = false): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition()) finish()
        else if (this.#closed && !closeIsFine)
          finish(new Error(`closed (${this.#closed.code}) while waiting for ${what}`))
      }
      const timer = setTimeout(
        () => finish(new Error(`no ${what} came; got ${JSON.stringify(this.frames).slice(0, 2000)}`)),
        WAIT_MS,
      )
      this.#wake.add(check)
      check()
    })
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake()
  }
}
