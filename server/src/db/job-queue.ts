import { sql, type Kysely } from 'kysely'
import type { Later } from './database.ts'
import type { Tables } from './tables.ts'

/**
 * The durable work there is: what each type of job must know. A feature adds its types here and handles them with
 * `ctx.jobs.handle`. Payloads become JSON and are read by later versions of the program: they hold ids rather than
 * content, never secrets, and what is added later is optional.
 */
export interface JobPayloads {
  /** Removes what was said in a channel that was deleted. */
  'messages.purge': { readonly channelId: string }
  /** Removes objects that nothing refers to from their stores. */
  'files.sweep': Readonly<Record<string, never>>
  /** Sends what waits for another server, by its `host[:port]`. */
  'federation.deliver': { readonly host: string }
  /** Tells other servers that somebody here has another name or picture. */
  'federation.announce': { readonly userId: string }
  /** An account on another server has moved: lets those who follow it follow the new one. */
  'federation.move': { readonly from: string; readonly to: string }
  /** Runs a task when its time has come, or somebody asks for it. */
  [task: `task.${string}`]: Readonly<Record<string, never>>
  /** Tells everybody who is online of a message that speaks to them. */
  'notifications.here': { readonly messageId: string }
  /** Finds out whom to reach because of a message: those after a person, or only the ones named. */
  'notifications.push': {
    readonly messageId: string
    readonly after?: string
    readonly late?: readonly string[]
  }
  /** Reaches one device because of a message. */
  'notifications.deliver': { readonly subscriptionId: string; readonly messageId: string }
  /** Indexes what is not indexed with the key and the rules in use. */
  'search.reindex': Record<string, never>
}

export type JobType = keyof JobPayloads

/** Work to be done once the transaction that asks for it has committed. */
export type NewJob = {
  [T in JobType]: {
    readonly type: T
    readonly payload: JobPayloads[T]
    /** Not before, in milliseconds. Default: at once. */
    readonly runAt?: number
    /**
     * At most one job of this key waits. While it does, another one only makes it run no later than asked; one that
     * is running already does not count.
     */
    readonly key?: string
    /** Jobs of one queue run one after the other, in the order in which they were written. */
    readonly queue?: string
  }
}[JobType]

const ROWS_PER_STATEMENT = 500

/** Writes `jobs` in their order. */
export function insertJobs(
  connection: Kysely<Tables>,
  later: Later,
  jobs: readonly NewJob[],
  now: number,
): void {
  const rows = jobs.map(({ type, payload, runAt = now, key = null, queue = null }) => ({
    type,
    payload: JSON.stringify(payload),
    queue,
    key,
    state: 'waiting' as const,
    run_at: runAt,
    runs: 0,
    failures: 0,
    last_error: null,
    leased_by: null,
    leased_until: null,
    created_at: now,
  }))
  let from = 0
  while (from < rows.length) {
    // PostgreSQL refuses to meet the same key twice in a statement, so what has one goes alone.
    const keyed = rows.findIndex((row, index) => index >= from && row.key !== null)
    const plain = keyed === -1 ? rows.length : keyed
    const to = plain === from ? from + 1 : Math.min(plain, from + ROWS_PER_STATEMENT)
    later(
      connection
        .insertInto('job')
        .values(rows.slice(from, to))
        .onConflict((conflict) =>
          conflict
            .column('key')
            // As the index says it: a partial index is only found by its own words.
            .where('state', '!=', sql.lit('running'))
            .doUpdateSet((eb) => ({
              run_at: eb
                .case()
                .when('excluded.run_at', '<', eb.ref('job.run_at'))
                .then(eb.ref('excluded.run_at'))
                .else(eb.ref('job.run_at'))
                .end(),
            })),
        ),
    )
    from = to
  }
}
