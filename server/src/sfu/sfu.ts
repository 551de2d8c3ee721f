import { Worker } from 'node:worker_threads'
import type { MediaSettings, Permissions, SfuCommand, SfuEvent, SfuStats, SlotMode } from './messages.ts'

/** Media cannot be had now; `message` says why, for people. */
export class MediaUnavailableError extends Error {}

/** The media server died and everybody's media with it. It is started again at the next need. */
export interface SfuLost {
  readonly type: 'lost'
}

/** What a client's offer or answer led to: an answer, nothing to be said, or a refusal. */
export type Negotiated = { readonly sdp: string | undefined } | { readonly refused: string }

export interface SfuOptions {
  /** Looked at each time the media server starts. */
  readonly settings: () => MediaSettings
  /** Told when the media server could not start, failed at something, or died; for the log. */
  readonly onTrouble: (reason: string) => void
  /** Stopped after so long without participants. */
  readonly idleMs?: number
}

const IDLE_MS = 10 * 60 * 1000
const STOP_MS = 2_000
const START_MS = 10_000

interface Running {
  readonly worker: Worker
  readonly ready: Promise<void>
  readonly exited: Promise<void>
}

/**
 * This side's end of the media server, which runs in a thread of its own: started when it is first needed, started
 * again after it died, stopped when nobody has needed it for long. Commands go in, events come out; nothing else.
 */
export class Sfu implements AsyncDisposable {
  readonly #options: SfuOptions
  readonly #listeners = new Set<(event: SfuEvent | SfuLost) => void>()
  readonly #pending = new Map<number, (result: Negotiated) => void>()
  readonly #peers = new Set<string>()
  #running: Running | undefined
  #idle: NodeJS.Timeout | undefined
  #nextId = 1
  #stats: SfuStats | undefined
  #port: number | undefined
  #disposed = false
  #isBroken = false

  constructor(options: SfuOptions) {
    this.#options = options
  }

  /** @returns a function that ends the subscription */
  subscribe(listener: (event: SfuEvent | SfuLost) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** What the media server counted up to a moment ago; undefined while it does not run. */
  get stats(): SfuStats | undefined {
    return this.#stats
  }

  /** The port that media comes in on; undefined while the media server does not run. */
  get port(): number | undefined {
    return this.#port
  }

  /** Whether it could not be started when it was needed last. */
  get isBroken(): boolean {
    return this.#isBroken
  }

  /** Resolves when media can be had. @throws MediaUnavailableError */
  async start(): Promise<void> {
    if (this.#disposed) throw new MediaUnavailableError('the server is stopping')
    this.#running ??= this.#launch()
    await this.#running.ready
  }

  /** Takes a participant into a room. To be called once {@link start} has resolved. */
  admit(peer: {
    room: string
    peer: string
    user: string
    permissions: Permissions
    slots: SlotMode
    bitrateKbps: number
  }): void {
    this.#peers.add(peer.peer)
    clearTimeout(this.#idle)
    this.#send({ type: 'admit', ...peer })
  }

  /** Hands in a client's offer. */
  offer(peer: string, sdp: string): Promise<Negotiated> {
    return this.#ask((id) => ({ type: 'offer', id, peer, sdp }))
  }

  /** Hands in a client's answer. */
  answer(peer: string, sdp: string): Promise<Negotiated> {
    return this.#ask((id) => ({ type: 'answer', id, peer, sdp }))
  }

  permit(peer: string, permissions: Permissions): void {
    this.#send({ type: 'permit', peer, permissions })
  }

  /** Lets the events come again that tell a client of its offer and slots. */
  repeat(peer: string): void {
    this.#send({ type: 'repeat', peer })
  }

  remove(peer: string): void {
    this.#send({ type: 'remove', peer })
    this.#forget(peer)
  }

  #ask(command: (id: number) => SfuCommand): Promise<Negotiated> {
    if (!this.#running) return Promise.resolve({ refused: 'media is not available' })
    const id = this.#nextId++
    return new Promise((resolve) => {
      this.#pending.set(id, resolve)
      this.#send(command(id))
    })
  }

  #send(command: SfuCommand): void {
    this.#running?.worker.postMessage(command)
  }

  #launch(): Running {
    const settings = this.#options.settings()
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: settings })
    worker.unref()
    const ready = new Promise<void>((resolve, reject) => {
      const fail = (reason: string): void => {
        clearTimeout(timer)
        reject(new MediaUnavailableError(reason))
      }
      const timer = setTimeout(() => void worker.terminate(), START_MS)
      worker.on('message', (event: SfuEvent) => {
        if (event.type === 'ready') {
          clearTimeout(timer)
          this.#port = event.port
          resolve()
        }
        if (event.type === 'unavailable') fail(reasonOf(event.reason, settings))
        this.#receive(event)
      })
      worker.once('exit', () => fail('the media server did not start'))
    })
    // Whoever waits for it is told; nobody may be waiting.
    ready.then(
      () => (this.#isBroken = false),
      () => (this.#isBroken = !this.#disposed),
    )
    worker.on('error', (error) =>
      this.#options.onTrouble(error instanceof Error ? error.message : String(error)),
    )
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    const running = { worker, ready, exited }
    void exited.then(() => this.#ended(running))
    return running
  }

  #ended(running: Running): void {
    if (this.#running !== running) return
    this.#running = undefined
    this.#stats = undefined
    this.#port = undefined
    this.#peers.clear()
    for (const resolve of this.#pending.values()) resolve({ refused: 'the media server was restarted' })
    this.#pending.clear()
    if (!this.#disposed) this.#tell({ type: 'lost' })
  }

  #receive(event: SfuEvent): void {
    switch (event.type) {
      case 'answer':
        return this.#resolve(event.id, { sdp: event.sdp })
      case 'accepted':
      case 'ignored':
        return this.#resolve(event.id, { sdp: undefined })
      case 'refused':
        return this.#resolve(event.id, { refused: event.reason })
      case 'stats':
        this.#stats = event.stats
        break
      case 'gone':
        this.#forget(event.peer)
        break
      case 'unavailable':
        this.#options.onTrouble(reasonOf(event.reason, this.#options.settings()))
        break
      case 'trouble':
        this.#options.onTrouble(event.reason)
        break
      default:
    }
    this.#tell(event)
  }

  #resolve(id: number, result: Negotiated): void {
    this.#pending.get(id)?.(result)
    this.#pending.delete(id)
  }

  #forget(peer: string): void {
    this.#peers.delete(peer)
    clearTimeout(this.#idle)
    if (this.#peers.size > 0 || !this.#running) return
    this.#idle = setTimeout(() => void this.#stop(), this.#options.idleMs ?? IDLE_MS)
    this.#idle.unref()
  }

  #tell(event: SfuEvent | SfuLost): void {
    for (const listener of this.#listeners) listener(event)
  }

  async #stop(): Promise<void> {
    const running = this.#running
    if (!running) return
    // From now on it is as if it had never run; its end is no accident.
    this.#running = undefined
    this.#stats = undefined
    this.#port = undefined
    running.worker.postMessage({ type: 'stop' } satisfies SfuCommand)
    const timer = setTimeout(() => void running.worker.terminate(), STOP_MS)
    await running.exited
    clearTimeout(timer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    clearTimeout(this.#idle)
    await this.#stop()
  }
}

function reasonOf(code: string, { host, port }: MediaSettings): string {
  const where = `port ${port} (UDP and TCP) on ${host}`
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program`
    case 'EACCES':
      return `${where} may not be used by this user`
    case 'EADDRNOTAVAIL':
      return `${where} cannot be used: it is no address of this machine`
    default:
      return `${where} cannot be used (${code})`
  }
}
