import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Database } from '#db/database.ts'
import type { Clock } from '#lib/clock.ts'

/** What operators watch of the queue. Counted when somebody asks. */
export class JobMetrics {
  readonly #runs: Histogram<'type' | 'outcome'>
  readonly #dead: Counter<'type'>

  constructor(registry: Registry, { db, clock }: { db: Database; clock: Clock }) {
    const registers = [registry]
    this.#runs = new Histogram({
      name: 'pufferblow_job_seconds',
      help: 'Time that jobs ran, by type and by whether they were done',
      labelNames: ['type', 'outcome'],
      buckets: [0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600],
      registers,
    })
    this.#dead = new Counter({
      name: 'pufferblow_jobs_given_up_total',
      help: 'Jobs that became dead letters',
      labelNames: ['type'],
      registers,
    })
    const gauge = (name: string, help: string, collect: (self: Gauge<'type'>) => Promise<void>) =>
      new Gauge({
        name,
        help,
        labelNames: ['type'],
        registers,
        async collect() {
          this.reset()
          // A database that is away leaves a gap in the graph; the rest of the page is still worth having.
          await collect(this).catch(() => {})
        },
      })
    gauge('pufferblow_jobs_waiting', 'Jobs that are due and wait, by type', async (self) => {
      for (const { type, count } of await dueJobs(db, clock())) self.set({ type }, count)
    })
    gauge('pufferblow_job_oldest_seconds', 'For how long the oldest job has been due', async (self) => {
      const now = clock()
      for (const { type, oldest } of await dueJobs(db, now)) self.set({ type }, (now - oldest) / 1000)
    })
    gauge('pufferblow_dead_letters', 'Jobs that were given up and are kept', async (self) => {
      for (const { type, count } of await deadLetters(db)) self.set({ type }, count)
    })
  }

  /** @returns to be called when the run is over */
  began(type: string): (outcome: 'done' | 'failed') => void {
    const end = this.#runs.startTimer({ type })
    return (outcome) => void end({ outcome })
  }

  gaveUp(type: string): void {
    this.#dead.inc({ type })
  }
}

function dueJobs(db: Database, now: number) {
  return db.read
    .selectFrom('job')
    .select(({ fn }) => ['type', fn.countAll<number>().as('count'), fn.min('run_at').as('oldest')])
    .where('state', 'in', ['waiting', 'parked'])
    .where('run_at', '<=', now)
    .groupBy('type')
    .execute()
}

function deadLetters(db: Database) {
  return db.read
    .selectFrom('dead_letter')
    .select(({ fn }) => ['type', fn.countAll<number>().as('count')])
    .groupBy('type')
    .execute()
}
