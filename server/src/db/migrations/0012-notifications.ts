import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, bytes, finish, finishClustered } = columnsFor(db)

  await finish(
    db.schema
      .createTable('notification')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('user_id', 'text', (c) => c.references('user.id').onDelete('cascade'))
      .addColumn('roles', 'text')
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('actor_id', 'text', (c) => c.notNull())
      .addColumn('channel_id', 'text', (c) => c.notNull())
      .addColumn('message_id', 'text', (c) => c.notNull().references('message.id').onDelete('cascade'))
      .addColumn('seq', integer, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('read_at', integer)
      .addColumn('withdrawn_at', integer),
  )
  // One for each person and message, whatever it is edited to; it also finds those of a message.
  await db.schema
    .createIndex('notification_message')
    .unique()
    .on('notification')
    .columns(['message_id', 'user_id'])
    .execute()
  await db.schema
    .createIndex('notification_broadcast')
    .unique()
    .on('notification')
    .column('message_id')
    .where(sql.ref('user_id'), 'is', null)
    .execute()
  await db.schema.createIndex('notification_user').on('notification').columns(['user_id', 'id']).execute()
  await db.schema
    .createIndex('notification_channel')
    .on('notification')
    .columns(['channel_id', 'id'])
    .where(sql.ref('user_id'), 'is', null)
    .execute()
  await db.schema.createIndex('notification_created').on('notification').column('created_at').execute()

  await finishClustered(
    db.schema
      .createTable('notification_read')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('notification_id', 'text', (c) =>
        c.notNull().references('notification.id').onDelete('cascade'),
      )
      .addColumn('read_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('notification_read_pk', ['user_id', 'notification_id']),
  )
  await db.schema
    .createIndex('notification_read_notification')
    .on('notification_read')
    .column('notification_id')
    .execute()

  await finishClustered(
    db.schema
      .createTable('notification_preference')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('level', 'text')
      .addColumn('muted_at', integer)
      .addColumn('muted_until', integer)
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('notification_preference_pk', ['user_id', 'channel_id']),
  )
  await db.schema
    .createIndex('notification_preference_channel')
    .on('notification_preference')
    .column('channel_id')
    .execute()

  await finishClustered(
    db.schema
      .createTable('notification_silence')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('muted_at', integer, (c) => c.notNull())
      .addColumn('muted_until', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('notification_silence_pk', ['user_id', 'channel_id', 'muted_at']),
  )
  await db.schema
    .createIndex('notification_silence_channel')
    .on('notification_silence')
    .column('channel_id')
    .execute()
  await db.schema
    .createIndex('notification_silence_until')
    .on('notification_silence')
    .column('muted_until')
    .execute()

  await finish(
    db.schema
      .createTable('notification_setting')
      .addColumn('user_id', 'text', (c) => c.primaryKey().references('user.id').onDelete('cascade'))
      .addColumn('level', 'text', (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull()),
  )

  await finish(
    db.schema
      .createTable('push_subscription')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('session_id', 'text', (c) => c.notNull().references('session.id').onDelete('cascade'))
      .addColumn('endpoint_hash', 'text', (c) => c.notNull())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  for (const column of ['session_id', 'endpoint_hash']) {
    await db.schema
      .createIndex(`push_subscription_${column}`)
      .unique()
      .on('push_subscription')
      .column(column)
      .execute()
  }
  await db.schema
    .createIndex('push_subscription_user')
    .on('push_subscription')
    .columns(['user_id', 'id'])
    .execute()
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  const tables = [
    'push_subscription',
    'notification_setting',
    'notification_silence',
    'notification_preference',
    'notification_read',
    'notification',
  ]
  for (const table of tables) await db.schema.dropTable(table).execute()
}
