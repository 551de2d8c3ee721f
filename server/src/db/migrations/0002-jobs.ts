import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, counter, finish } = columnsFor(db)

  await finish(
    db.schema
      .createTable('job')
      .addColumn('id', integer, counter)
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('payload', 'text', (c) => c.notNull())
      .addColumn('queue', 'text')
      .addColumn('key', 'text')
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('run_at', integer, (c) => c.notNull())
      .addColumn('runs', integer, (c) => c.notNull())
      .addColumn('failures', integer, (c) => c.notNull())
      .addColumn('last_error', 'text')
      .addColumn('leased_by', integer)
      .addColumn('leased_until', integer)
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  // Of what waits with one key there is one; a running job has given its key back.
  await db.schema
    .createIndex('job_key')
    .unique()
    .on('job')
    .column('key')
    .where(sql.ref('state'), '!=', sql.lit('running'))
    .execute()
  // Of one queue one job runs, whatever two processes believe.
  await db.schema
    .createIndex('job_queue_running')
    .unique()
    .on('job')
    .column('queue')
    .where(sql.ref('state'), '=', sql.lit('running'))
    .execute()
  await db.schema.createIndex('job_due').on('job').columns(['state', 'type', 'run_at']).execute()
  await db.schema.createIndex('job_queue').on('job').columns(['queue', 'id']).execute()

  await finish(
    db.schema
      .createTable('dead_letter')
      .addColumn('id', integer, (c) => c.primaryKey())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('payload', 'text', (c) => c.notNull())
      .addColumn('queue', 'text')
      .addColumn('key', 'text')
      .addColumn('failures', integer, (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('died_at', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('dead_letter_died').on('dead_letter').column('died_at').execute()

  await finish(
    db.schema
      .createTable('task')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('enabled', flag, (c) => c.notNull())
      .addColumn('next_run_at', integer)
      .addColumn('runs', integer, (c) => c.notNull())
      .addColumn('errors', integer, (c) => c.notNull())
      .addColumn('total_ms', integer, (c) => c.notNull())
      .addColumn('last_run_at', integer)
      .addColumn('last_error', 'text'),
  )
  await finish(
    db.schema
      .createTable('task_run')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('task_id', 'text', (c) => c.notNull().references('task.id').onDelete('cascade'))
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('requested_by', 'text')
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('started_at', integer)
      .addColumn('ended_at', integer)
      .addColumn('progress_done', integer)
      .addColumn('progress_total', integer)
      .addColumn('progress_note', 'text')
      .addColumn('result', 'text')
      .addColumn('error', 'text'),
  )
  await db.schema.createIndex('task_run_history').on('task_run').columns(['task_id', 'id']).execute()
  // Of each task one run waits or runs.
  await db.schema
    .createIndex('task_run_open')
    .unique()
    .on('task_run')
    .column('task_id')
    .where(sql.ref('ended_at'), 'is', null)
    .execute()

  await finish(
    db.schema
      .createTable('channel_retention')
      .addColumn('channel_id', 'text', (c) => c.primaryKey().references('channel.id').onDelete('cascade'))
      .addColumn('days', integer)
      .addColumn('pruned_seq', integer, (c) => c.notNull()),
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  const tables = ['channel_retention', 'task_run', 'task', 'dead_letter', 'job']
  for (const table of tables) await db.schema.dropTable(table).execute()
}
