/** What the process that measures tells the swarm. */
export type SwarmCommand =
  /** Opens sockets, the n-th with the n-th token in turn. */
  | {
      readonly type: 'open'
      readonly url: string
      readonly tokens: readonly string[]
      readonly count: number
    }
  /** Forgets the latencies so far. */
  | { readonly type: 'forget-latencies' }
  | { readonly type: 'report-latencies' }

/** What the swarm tells back. */
export type SwarmReport =
  | ({ readonly type: 'progress' } & SwarmProgress)
  /** Milliseconds from the time in a message to its receipt, a figure for each frame. */
  | { readonly type: 'latencies'; readonly latencies: readonly number[] }
  | { readonly type: 'failed'; readonly reason: string }

export interface SwarmProgress {
  readonly open: number
  readonly closed: number
  /** Frames that carry a message, on all sockets. */
  readonly messages: number
  /** All others: presence, pings. */
  readonly others: number
  /** The first message that came, to be used as a template. */
  readonly sample: string | undefined
}

/** Marks the time of sending in the text of a message: `@<milliseconds>@`. */
export const TIME_MARK = '@'

/** Milliseconds of a clock that all processes of this machine share. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
