import type { Tx } from '#db/database.ts'
import type { RemoteActor } from '../remote-actor.ts'
import type { Activity } from './activity.ts'

/** Who says something that is proven to be theirs. */
export interface ProvenActivity {
  readonly actor: RemoteActor
  readonly activity: Activity
  readonly ownerId: string | undefined
}

/** What an activity did, in a word. */
export interface Applied {
  readonly action: string
  readonly delivered_count?: number
}

/** What an activity does, in the transaction that notes its id. */
export interface Effect extends Partial<AsyncDisposable> {
  readonly apply: (tx: Tx, now: number) => Promise<Applied>
  /** Called once it has been committed. */
  readonly committed?: (applied: Applied) => void
}
