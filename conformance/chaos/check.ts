// Holds what clients were told against what the server has: a process of its own, which only reads over the API.
import { readFileSync } from 'node:fs'
import { historyAfter } from './client.ts'
import type { Acknowledged } from './writer.ts'

/** What clients did and saw, as the run wrote it down. */
export interface Evidence {
  readonly urls: readonly string[]
  readonly token: string
  readonly channels: readonly string[]
  readonly writers: readonly {
    readonly acknowledged: readonly Acknowledged[]
    readonly attempted: readonly { readonly text: string; readonly channel: string }[]
  }[]
  readonly readers: readonly (readonly {
    readonly channel: string
    readonly seq: number
    readonly id: string
  }[])[]
}

/** What came of it. Without problems, every promise was kept. */
export interface Verdict {
  readonly problems: readonly string[]
  readonly stored: number
  readonly acknowledged: number
  /** Stored, though nobody was told so: the answer was lost. */
  readonly unacknowledged: number
}

async function check(evidence: Evidence): Promise<Verdict> {
  const problems: string[] = []
  const problem = (text: string): void => void (problems.length < 50 && problems.push(text.slice(0, 200)))
  const acknowledged = evidence.writers.flatMap((writer) => writer.acknowledged)
  const attempted = new Map(
    evidence.writers.flatMap((writer) =>
      writer.attempted.map(({ text, channel }) => [text, channel] as const),
    ),
  )
  let stored = 0
  for (const channel of evidence.channels) {
    const [first, ...others] = await Promise.all(
      evidence.urls.map((url) => historyAfter(url, evidence.token, channel, 0)),
    )
    const history = first!
    stored += history.length
    for (const other of others)
      if (JSON.stringify(other) !== JSON.stringify(history)) problem(`processes differ about ${channel}`)
    for (const [index, { seq }] of history.entries())
      if (seq !== index + 1) problem(`number ${seq} of ${channel} stands at place ${index + 1}`)
    if (new Set(history.map(({ id }) => id)).size !== history.length) problem(`an id is twice in ${channel}`)
    if (new Set(history.map(({ text }) => text)).size !== history.length)
      problem(`something is twice in ${channel}`)
    for (const { text, seq } of history)
      if (attempted.get(text) !== channel) problem(`nobody sent number ${seq} of ${channel}: ${text}`)
    const bySeq = new Map(history.map((message) => [message.seq, message]))
    for (const { id, seq, text, channel: where } of acknowledged) {
      if (where !== channel) continue
      const found = bySeq.get(seq)
      if (!found) problem(`lost: number ${seq} of ${channel}, ${text}`)
      else if (found.id !== id || found.text !== text)
        problem(`number ${seq} of ${channel} is another message`)
    }
    for (const { acknowledged: own } of evidence.writers) {
      const seqs = own.filter((message) => message.channel === channel).map(({ seq }) => seq)
      if (seqs.some((seq, index) => index > 0 && seq <= seqs[index - 1]!))
        problem(`messages of one writer are out of order in ${channel}`)
    }
    for (const [index, seen] of evidence.readers.entries()) {
      const own = seen.filter((message) => message.channel === channel)
      // What is sent through several processes may come to a socket in another order than that of its numbers.
      if (evidence.urls.length > 1) own.sort((one, other) => one.seq - other.seq)
      for (const [place, { seq, id }] of own.entries()) {
        if (seq !== place + 1) {
          problem(`reader ${index} saw number ${seq} of ${channel} at place ${place + 1}`)
          break
        }
        if (bySeq.get(seq)?.id !== id) problem(`reader ${index} saw another number ${seq} of ${channel}`)
      }
      if (own.length !== history.length)
        problem(`reader ${index} saw ${own.length} of ${history.length} messages of ${channel}`)
    }
  }
  return {
    problems,
    stored,
    acknowledged: acknowledged.length,
    unacknowledged: stored - acknowledged.length,
  }
}

const evidence = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Evidence
console.log(JSON.stringify(await check(evidence)))
