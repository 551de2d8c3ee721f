import { WebSocket } from 'ws'
import { baseUrl } from './api.ts'

const WAIT_MS = 10_000

// oxlint-disable-next-line typescript/no-explicit-any -- frames of every shape are looked into
export type Frame = any

/** The server answered the upgrade with HTTP. */
export class Refused extends Error {
  readonly status: number

  constructor(status: number) {
    super(`refused with ${status}`)
    this.status = status
  }
}

/** A client's socket that keeps every frame. */
export class Socket implements Disposable {
  readonly frames: Frame[] = []
  readonly #socket: WebSocket
  readonly #wake = new Set<() => void>()
  #closed: number | undefined
  #taken = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      this.#notify()
    })
    socket.on('close', (code) => {
      this.#closed = code
      this.#notify()
    })
    socket.on('error', () => {})
  }

  /** @param path with the query, such as `/ws?auth_token=…` @throws Refused */
  static open(path: string, headers: Record<string, string> = {}): Promise<Socket> {
    const socket = new WebSocket(baseUrl().replace(/^http/, 'ws') + path, {
      headers,
      perMessageDeflate: false,
    })
    const client = new Socket(socket)
    return new Promise((resolve, reject) => {
      socket.once('open', () => resolve(client))
      socket.once('unexpected-response', (_request, { statusCode = 0 }) => {
        reject(new Refused(statusCode))
        socket.terminate()
      })
      socket.once('error', reject)
    })
  }

  send(frame: object | string | Uint8Array): void {
    const isObject = typeof frame === 'object' && !(frame instanceof Uint8Array)
    this.#socket.send(isObject ? JSON.stringify(frame) : frame)
  }

  /** The next frame for which `wanted` holds, after those handed out before. */
  async next(wanted: (frame: Frame) => boolean = () => true): Promise<Frame> {
    await this.#until(() => {
      while (this.#taken < this.frames.length && !wanted(this.frames[this.#taken])) this.#taken++
      return this.#taken < this.frames.length
    })
    return this.frames[this.#taken++]
  }

  /** Waits until the server has answered everything that was sent before, by way of a ping. */
  async settled(): Promise<Frame[]> {
    const pongs = (): number => this.frames.filter(({ type }) => type === 'pong').length
    const before = pongs()
    this.send({ type: 'ping' })
    await this.#until(() => pongs() > before)
    return this.frames
  }

  /** Waits for the server to close the socket. @returns the close code */
  async closed(): Promise<number> {
    await this.#until(() => this.#closed !== undefined, { closing: true })
    return this.#closed!
  }

  [Symbol.dispose](): void {
    this.#socket.terminate()
  }

  #until(condition: () => boolean, { closing = false } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition()) finish()
        else if (this.#closed !== undefined && !closing) finish(new Error(`closed with ${this.#closed}`))
      }
      const timer = setTimeout(
        () => finish(new Error(`it did not come; got ${JSON.stringify(this.frames).slice(0, 1000)}`)),
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
