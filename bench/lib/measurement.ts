/** One figure, as measured on PufferBlow and, where there is one, on the floor program. Medians over rounds. */
export interface Measurement {
  readonly name: string
  readonly unit: string
  readonly ours: number
  readonly floor?: number
  /** What it must reach; without one the figure only informs. */
  readonly bar?: Bar
  /** What the medians were taken from. */
  readonly rounds: { readonly ours: readonly number[]; readonly floor?: readonly number[] }
}

/** `ratio`: ours / floor is at least this. `below`, `above`: ours is less, or more, than this. */
export type Bar = { readonly ratio: number } | { readonly below: number } | { readonly above: number }

export interface CaseOptions {
  /** Fewer and shorter rounds: to see that it works, not to judge by. */
  readonly quick: boolean
}

export interface Case {
  readonly name: string
  readonly title: string
  readonly run: (options: CaseOptions) => Promise<Measurement[]>
}
