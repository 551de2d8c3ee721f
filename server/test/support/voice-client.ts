import { WebSocket } from 'ws'
import { expect } from 'vitest'
import type { Person } from './person.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into frames of every shape
type Frame = any

const WAIT_MS = 30_000

/** Joins a voice channel by REST. @returns the answer's `webrtc_config` */
export async function joinAudio(person: Person, channel: string): Promise<Frame> {
  const { status, body } = await person.post(`/api/v1/channels/${channel}/join-audio`, undefined)
  expect(status, JSON.stringify(body)).toBe(200)
  person.server.secrets.add(body.webrtc_config.join_token)
  return body.webrtc_config
}

/** A signalling socket that keeps every frame it got. Waits are for events, never for time. */
export class SignallingClient implements Disposable {
  readonly frames: Frame[] = []
  readonly socket: WebSocket
  readonly opened: Promise<void>
  #closed: { code: number; reason: string } | undefined
  readonly #wake = new Set<() => void>()
  readonly #taken = new Set<Frame>()

  constructor(url: string, parameters: Record<string, string>) {
    const target = new URL(url)
    for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value)
    this.socket = new WebSocket(target, { perMessageDeflate: false })
    this.socket.on('message', (data) => {
      this.frames.push(JSON.parse(String(data)))
      this.#notify()
    })
    this.socket.on('close', (code, reason) => {
      this.#closed = { code, reason: String(reason) }
      this.#notify()
    })
    this.socket.on('error', () => {})
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve)
      this.socket.once('error', reject)
    })
  }

  /** Joins by REST and connects. */
  static async join(
    person: Person,
    channel: string,
    parameters: Record<string, string> = {},
  ): Promise<SignallingClient> {
    const { signaling_url, join_token } = await joinAudio(person, channel)
    const client = new SignallingClient(signaling_url, { join_token, ...parameters })
    const joined = await client.next('joined')
    person.server.secrets.add(joined.resume_token)
    return client
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame))
  }

  /** The next frame of `type` (that `matches`) which was not handed out before. */
  async next(type: string, matches: (frame: Frame) => boolean = () => true): Promise<Frame> {
    let found: Frame
    await this.#until(() => {
      found = this.frames.find((frame) => frame.type === type && !this.#taken.has(frame) && matches(frame))
      return found !== undefined
    }, type)
    this.#taken.add(found)
    return found
  }

  /** Waits until the server has closed the socket. */
  async closed(): Promise<{ code: number; reason: string }> {
    await this.#until(() => this.#closed !== undefined, 'close')
    return this.#closed!
  }

  [Symbol.dispose](): void {
    this.socket.terminate()
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition()) finish()
        else if (this.#closed)
          finish(
            new Error(
              `closed (${this.#closed.code}) while waiting for ${what}: ${JSON.stringify(this.frames).slice(0, 1500)}`,
            ),
          )
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
    for (const wake of this.#wake) wake()
  }
}
