import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, finish, finishClustered } = columnsFor(db)

  await finishClustered(
    db.schema
      .createTable('stat_count')
      .addColumn('metric', 'text', (c) => c.notNull())
      .addColumn('minutes', integer, (c) => c.notNull())
      .addColumn('start', integer, (c) => c.notNull())
      .addColumn('count', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('stat_count_pk', ['metric', 'minutes', 'start']),
  )
  await finishClustered(
    db.schema
      .createTable('stat_level')
      .addColumn('metric', 'text', (c) => c.notNull())
      .addColumn('minutes', integer, (c) => c.notNull())
      .addColumn('start', integer, (c) => c.notNull())
      .addColumn('samples', integer, (c) => c.notNull())
      .addColumn('total', integer, (c) => c.notNull())
      .addColumn('peak', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('stat_level_pk', ['metric', 'minutes', 'start']),
  )
  await finish(
    db.schema
      .createTable('message_roll_up')
      .addColumn('channel_id', 'text', (c) => c.primaryKey().references('channel.id').onDelete('cascade'))
      .addColumn('seq', integer, (c) => c.notNull()),
  )
  await finishClustered(
    db.schema
      .createTable('active_day')
      .addColumn('day', integer, (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addPrimaryKeyConstraint('active_day_pk', ['day', 'user_id']),
  )
  await db.schema.createIndex('active_day_user').on('active_day').column('user_id').execute()
  await finish(
    db.schema
      .createTable('activity')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('channel_id', 'text', (c) => c.references('channel.id').onDelete('cascade'))
      .addColumn('details', 'text', (c) => c.notNull()),
  )
  await db.schema.createIndex('activity_at').on('activity').columns(['at', 'id']).execute()
  await db.schema.createIndex('activity_user').on('activity').column('user_id').execute()
  await db.schema.createIndex('activity_channel').on('activity').column('channel_id').execute()
  await db.schema.createIndex('user_status').on('user').column('status').execute()
  await db.schema.createIndex('session_used').on('session').column('last_used_at').execute()

  // What was there before. Messages are counted by the task, which goes through them piece by piece.
  for (const minutes of [5, 60]) {
    const ms = sql.lit(minutes * 60_000)
    await sql`
      insert into stat_count (metric, minutes, start, count)
      select 'registrations', ${sql.lit(minutes)}, (created_at / ${ms}) * ${ms}, count(*)
      from "user" group by 3
    `.execute(db)
    await sql`
      insert into stat_count (metric, minutes, start, count)
      select 'channels', ${sql.lit(minutes)}, (created_at / ${ms}) * ${ms}, count(*)
      from channel where type <> 'dm' group by 3
    `.execute(db)
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const index of ['session_used', 'user_status']) await db.schema.dropIndex(index).execute()
  const tables = ['activity', 'active_day', 'message_roll_up', 'stat_level', 'stat_count']
  for (const table of tables) await db.schema.dropTable(table).execute()
}
