import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, finish } = columnsFor(db)

  await finish(
    db.schema
      .createTable('voice_session')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('quality_profile', 'text', (c) => c.notNull())
      .addColumn('host', integer, (c) => c.notNull())
      .addColumn('revision', integer, (c) => c.notNull())
      .addColumn('started_at', integer, (c) => c.notNull())
      .addColumn('ended_at', integer),
  )
  // People who join at the same moment meet in one session.
  await db.schema
    .createIndex('voice_session_running')
    .unique()
    .on('voice_session')
    .column('channel_id')
    .where(sql.ref('ended_at'), 'is', null)
    .execute()
  await db.schema.createIndex('voice_session_ended').on('voice_session').column('ended_at').execute()

  await finish(
    db.schema
      .createTable('voice_participant')
      .addColumn('session_id', 'text', (c) => c.notNull().references('voice_session.id').onDelete('cascade'))
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('login_session_id', 'text', (c) => c.notNull())
      .addColumn('joined_at', integer, (c) => c.notNull())
      .addColumn('left_at', integer)
      .addPrimaryKeyConstraint('voice_participant_pk', ['session_id', 'user_id']),
  )
  // Somebody is in one voice channel at a time.
  await db.schema
    .createIndex('voice_participant_present')
    .unique()
    .on('voice_participant')
    .column('user_id')
    .where(sql.ref('left_at'), 'is', null)
    .execute()

  await finish(
    db.schema
      .createTable('voice_join_token')
      .addColumn('jti', 'text', (c) => c.primaryKey())
      .addColumn('session_id', 'text', (c) => c.notNull().references('voice_session.id').onDelete('cascade'))
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('used_at', integer),
  )
  await db.schema.createIndex('voice_join_token_expiry').on('voice_join_token').column('expires_at').execute()

  await finish(
    db.schema
      .createTable('voice_restriction')
      .addColumn('user_id', 'text', (c) => c.primaryKey().references('user.id').onDelete('cascade'))
      .addColumn('muted', flag, (c) => c.notNull())
      .addColumn('deafened', flag, (c) => c.notNull())
      .addColumn('changed_at', integer, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('voice_limit')
      .addColumn('channel_id', 'text', (c) => c.primaryKey().references('channel.id').onDelete('cascade'))
      .addColumn('max_participants', integer)
      .addColumn('bitrate_kbps', integer)
      .addColumn('changed_at', integer, (c) => c.notNull()),
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const table of [
    'voice_limit',
    'voice_restriction',
    'voice_join_token',
    'voice_participant',
    'voice_session',
  ])
    await db.schema.dropTable(table).execute()
}
