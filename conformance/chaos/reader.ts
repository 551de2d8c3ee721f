import { WebSocket } from 'ws'
import { historyAfter } from './client.ts'

/** A message as a reader got it. */
export interface Seen {
  readonly channel: string
  readonly seq: number
  readonly id: string
}

/** Somebody whose socket comes back, with its cursor, whenever it breaks. */
export class Reader implements Disposable {
  /** Messages in the order in which they came. */
  readonly seen: Seen[] = []
  reconnects = 0
  /** Times that too much was missed for the cursor to bring it (4009), so that it was loaded from the history. */
  lostCursors = 0
  readonly #http: string
  readonly #url: string
  readonly #token: string
  readonly #highest = new Map<string, number>()
  #socket: WebSocket | undefined
  #cursor = 'now'
  #ended = false
  /** Set while what was missed has to be loaded from the history; what comes live waits for that. */
  #afresh = false
  #held: Seen[] = []
  /** What the history brought and the socket may bring as well, once: clients know it by its id. */
  readonly #loaded = new Set<string>()

  private constructor(url: string, token: string) {
    this.#http = url
    this.#url = url.replace(/^http/, 'ws')
    this.#token = token
  }

  /** Resolves when the reader misses nothing from now on. */
  static async open(url: string, token: string): Promise<Reader> {
    const reader = new Reader(url, token)
    await new Promise<void>((resolve) => reader.#connect(resolve))
    return reader
  }

  /** Breaks the connection, as a network does. */
  drop(): void {
    this.#socket?.terminate()
  }

  /** Waits until it has seen so much of each channel. @returns whether it has, in time */
  async reaches(seqs: ReadonlyMap<string, number>, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs
    const isThere = (): boolean =>
      [...seqs].every(([channel, seq]) => (this.#highest.get(channel) ?? 0) >= seq)
    while (!isThere()) {
      if (performance.now() > deadline) return false
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return true
  }

  #connect(ready?: () => void): void {
    const query = new URLSearchParams({ auth_token: this.#token, resume: this.#cursor })
    const socket = new WebSocket(`${this.#url}/ws?${String(query)}`, { perMessageDeflate: false })
    this.#socket = socket
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Record<string, string> & { seq: number }
      if (frame['cursor'] !== undefined) this.#cursor = frame['cursor']
      if (frame['type'] === 'ready') {
        if (this.#afresh) void this.#load()
        ready?.()
      }
      if (frame['type'] !== 'message') return
      this.#take({ channel: frame['channel_id']!, seq: frame.seq, id: frame['message_id']! })
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      if (this.#ended) return
      if (code === 4009) {
        this.lostCursors++
        this.#cursor = 'now'
        this.#afresh = true
      }
      this.reconnects++
      // What was held comes again with the history.
      if (this.#afresh) {
        this.#held = []
        this.#cursor = 'now'
      }
      setTimeout(() => this.#connect(ready), 50)
    })
  }

  #take(message: Seen): void {
    if (this.#afresh) {
      this.#held.push(message)
      return
    }
    if (this.#loaded.delete(message.id)) return
    this.seen.push(message)
    const { channel, seq } = message
    this.#highest.set(channel, Math.max(this.#highest.get(channel) ?? 0, seq))
  }

  /** As a client does that is told to load afresh: the socket brings what is new, the history what was before. */
  async #load(): Promise<void> {
    const known = new Set(this.seen.map(({ id }) => id))
    const loaded: Seen[] = []
    try {
      for (const [channel, seq] of this.#highest)
        // Several processes may have brought later numbers before earlier ones: look a little further back.
        for (const { id, seq: number } of await historyAfter(
          this.#http,
          this.#token,
          channel,
          Math.max(0, seq - 100),
        ))
          loaded.push({ channel, seq: number, id })
    } catch {
      // The process is gone; the next connection loads.
      return
    }
    const held = this.#held
    this.#held = []
    this.#afresh = false
    for (const message of loaded) if (!known.has(message.id)) this.#take(message)
    for (const { id } of loaded) if (!known.has(id)) this.#loaded.add(id)
    for (const message of held) if (!known.has(message.id)) this.#take(message)
  }

  [Symbol.dispose](): void {
    this.#ended = true
    this.#socket?.terminate()
  }
}
