import { WebSocket } from 'ws'

/** Somebody whose socket comes back, with its cursor, whenever it breaks. */
export class Reader implements Disposable {
  /** Messages in the order in which they came. */
  readonly seen: { readonly channel: string; readonly seq: number; readonly id: string }[] = []
  reconnects = 0
  /** Times that the server had forgotten the cursor, so that a client loads afresh. */
  lostCursors = 0
  readonly #url: string
  readonly #token: string
  readonly #highest = new Map<string, number>()
  #socket: WebSocket | undefined
  #cursor = 'now'
  #ended = false

  private constructor(url: string, token: string) {
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
      if (frame['type'] === 'ready') ready?.()
      if (frame['type'] !== 'message') return
      const channel = frame['channel_id']!
      this.seen.push({ channel, seq: frame.seq, id: frame['message_id']! })
      this.#highest.set(channel, Math.max(this.#highest.get(channel) ?? 0, frame.seq))
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      if (this.#ended) return
      if (code === 4009) {
        this.lostCursors++
        this.#cursor = 'now'
      }
      this.reconnects++
      setTimeout(() => this.#connect(ready), 50)
    })
  }

  [Symbol.dispose](): void {
    this.#ended = true
    this.#socket?.terminate()
  }
}
