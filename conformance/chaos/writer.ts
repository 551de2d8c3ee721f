import { call } from './client.ts'

/** A message that the server said it has. */
export interface Acknowledged {
  readonly id: string
  readonly channel: string
  readonly seq: number
  readonly text: string
}

/** Sends one message after the other, to whichever process answers. Remembers what was said to be stored. */
export class Writer {
  readonly acknowledged: Acknowledged[] = []
  /** Everything that was ever sent, by its text, and to which channel. */
  readonly attempted: { readonly text: string; readonly channel: string }[] = []
  /** Answers that were no success, by their status; 0 is no answer. */
  readonly refused = new Map<number, number>()
  readonly #urls: readonly string[]
  readonly #token: string
  readonly #channels: readonly string[]
  readonly #pauseMs: number
  readonly #running: Promise<void>
  #stopped = false

  constructor(options: {
    name: string
    urls: readonly string[]
    token: string
    channels: readonly string[]
    pauseMs: number
  }) {
    this.#urls = options.urls
    this.#token = options.token
    this.#channels = options.channels
    this.#pauseMs = options.pauseMs
    this.#running = this.#run(options.name)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  async #run(name: string): Promise<void> {
    let at = Math.floor(Math.random() * this.#urls.length)
    for (let number = 1; !this.#stopped; number++) {
      const channel = this.#channels[number % this.#channels.length]!
      // Of many sizes, so that a half of one would show.
      const text = `${name} ${number} ${'·'.repeat((number * 37) % 1500)}|`
      this.attempted.push({ text, channel })
      let status = 0
      try {
        const path = `/api/v1/channels/${channel}/send_message`
        const answer = await call(this.#urls[at]!, 'POST', path, {
          token: this.#token,
          form: { message: text },
        })
        status = answer.status
        const { message_id: id, message_data: data } = answer.body
        if (status === 201) this.acknowledged.push({ id, channel, seq: data.seq, text })
      } catch {
        // No answer: it may be stored or not.
      }
      if (status !== 201) {
        this.refused.set(status, (this.refused.get(status) ?? 0) + 1)
        at = (at + 1) % this.#urls.length
      }
      const pause = status === 201 ? this.#pauseMs : 25
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
    }
  }
}
