import { expect } from 'vitest'
import type { Person } from './person.ts'

export interface Sent {
  readonly id: string
  readonly channel: string
  readonly text: string
  readonly seq: number
}

// oxlint-disable-next-line typescript/no-explicit-any -- messages as they come over the wire
type WireMessage = any

/** Every message of a channel, oldest first, paged by its numbers. */
export async function wholeHistory(person: Person, channel: string): Promise<Sent[]> {
  const all: Sent[] = []
  for (;;) {
    const { status, body } = await person.get(`/api/v1/channels/${channel}/load_messages`, {
      query: { after: String(all.at(-1)?.seq ?? 0), messages_per_page: 50 },
    })
    expect(status, JSON.stringify(body)).toBe(200)
    if (body.messages.length === 0) return all
    all.push(...body.messages.map(sentOf))
  }
}

export function sentOf(message: WireMessage): Sent {
  return {
    id: message.message_id as string,
    channel: message.channel_id as string,
    text: message.message as string,
    seq: message.seq as number,
  }
}

/**
 * Sends from many clients at once until told to stop or the server is gone. What the server acknowledged is in
 * `acknowledged`; what it may or may not have stored only in `attempted`.
 */
export class Load {
  readonly acknowledged = new Map<string, Sent>()
  readonly attempted = new Set<string>()
  /** Statuses other than 201, each with the answer's Retry-After. */
  readonly refused: { status: number; retryAfter: string | null; detail: unknown }[] = []
  readonly #senders: Promise<void>[]
  readonly #wake = new Set<() => void>()
  #stopped = false
  #failed: Error | undefined

  /** @param options.untilBroken end a sender at its first failed connection; else it goes on after a moment */
  constructor(
    people: readonly Person[],
    channels: readonly string[],
    options: { senders: number; label: string; untilBroken?: boolean },
  ) {
    this.#senders = Array.from({ length: options.senders }, (_, index) =>
      this.#run(
        people[index % people.length]!,
        channels,
        `${options.label} ${index}`,
        options.untilBroken === true,
      ),
    )
  }

  /** Resolves when so many were acknowledged since the load began. */
  until(count: number): Promise<void> {
    return this.reaches(() => this.acknowledged.size >= count)
  }

  /** Resolves when `condition` holds; it is looked at after each answer. */
  reaches(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (this.#failed) reject(this.#failed)
        else if (condition()) resolve()
        else return
        this.#wake.delete(check)
      }
      this.#wake.add(check)
      check()
    })
  }

  /** Ends the load and waits for what is under way. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#senders)
    if (this.#failed) throw this.#failed
  }

  async #run(
    person: Person,
    channels: readonly string[],
    label: string,
    untilBroken: boolean,
  ): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const channel = channels[count % channels.length]!
      const text = `${label} ${count}`
      this.attempted.add(text)
      try {
        const { status, headers, body } = await person.post(`/api/v1/channels/${channel}/send_message`, {
          message: text,
        })
        if (status === 201) this.acknowledged.set(body.message_id as string, sentOf(body.message_data))
        else {
          this.refused.push({ status, retryAfter: headers.get('retry-after'), detail: body?.detail })
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      } catch (error) {
        // `fetch failed`: the server went away while we asked. Anything else is a finding.
        if (!(error instanceof TypeError)) this.#failed ??= error as Error
        if (untilBroken || this.#failed) return this.#notify()
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      this.#notify()
    }
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake()
  }
}

/** What must be true of a channel's history after any accident. */
export function expectSound(history: readonly Sent[], load: Load): void {
  expect(
    history.map(({ seq }) => seq),
    'numbers without gaps',
  ).toEqual(history.map((_, index) => index + 1))
  const byId = new Map(history.map((message) => [message.id, message]))
  expect(byId.size, 'each id once').toBe(history.length)
  expect(new Set(history.map(({ text }) => text)).size, 'each text once').toBe(history.length)
  const channel = history[0]?.channel
  for (const sent of load.acknowledged.values()) {
    if (sent.channel === channel) expect(byId.get(sent.id), 'an acknowledged message is lost').toEqual(sent)
  }
}
