import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, bytes, finish, finishClustered } = columnsFor(db)

  await finish(
    db.schema
      .createTable('server_setting')
      .addColumn('key', 'text', (c) => c.primaryKey())
      .addColumn('value', 'text', (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('encryption_key')
      .addColumn('kid', 'text', (c) => c.primaryKey())
      .addColumn('purpose', 'text', (c) => c.notNull())
      .addColumn('wrapped', bytes, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('retired_at', integer),
  )
  // Two processes that start at once must not each make a first key.
  await db.schema
    .createIndex('encryption_key_in_use')
    .unique()
    .on('encryption_key')
    .column('purpose')
    .where(sql.ref('retired_at'), 'is', null)
    .execute()

  await finish(
    db.schema
      .createTable('user')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('username', 'text', (c) => c.notNull())
      .addColumn('username_key', 'text', (c) => c.notNull())
      .addColumn('username_skeleton', 'text', (c) => c.notNull())
      .addColumn('password_hash', 'text', (c) => c.notNull())
      .addColumn('about', 'text')
      .addColumn('status', 'text', (c) => c.notNull())
      .addColumn('chosen_status', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addColumn('last_seen_at', integer),
  )
  await db.schema.createIndex('user_username_key').unique().on('user').column('username_key').execute()
  await db.schema
    .createIndex('user_username_skeleton')
    .unique()
    .on('user')
    .column('username_skeleton')
    .execute()
  await finish(
    db.schema
      .createTable('user_role')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('role_id', 'text', (c) => c.notNull())
      .addColumn('granted_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('user_role_pk', ['user_id', 'role_id']),
  )
  await db.schema.createIndex('user_role_role').on('user_role').column('role_id').execute()

  await finish(
    db.schema
      .createTable('session')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('device', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('last_used_at', integer, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('ended_at', integer)
      .addColumn('end_reason', 'text'),
  )
  await db.schema.createIndex('session_user').on('session').column('user_id').execute()
  await db.schema.createIndex('session_expiry').on('session').column('expires_at').execute()
  await finish(
    db.schema
      .createTable('refresh_token')
      .addColumn('hash', 'text', (c) => c.primaryKey())
      .addColumn('session_id', 'text', (c) => c.notNull().references('session.id').onDelete('cascade'))
      .addColumn('issued_at', integer, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('spent_at', integer)
      .addColumn('reissued', flag, (c) => c.notNull()),
  )
  await db.schema.createIndex('refresh_token_session').on('refresh_token').column('session_id').execute()

  await finish(
    db.schema
      .createTable('channel')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('name_key', 'text')
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('is_private', flag, (c) => c.notNull())
      .addColumn('last_seq', integer, (c) => c.notNull())
      .addColumn('changes', integer, (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addColumn('deleted_at', integer),
  )
  await db.schema.createIndex('channel_name_key').unique().on('channel').column('name_key').execute()
  await finish(
    db.schema
      .createTable('channel_member')
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('added_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('channel_member_pk', ['channel_id', 'user_id']),
  )
  await db.schema.createIndex('channel_member_user').on('channel_member').column('user_id').execute()

  // History is read in the order of its numbers.
  await finishClustered(
    db.schema
      .createTable('message')
      .addColumn('id', 'text', (c) => c.notNull().unique())
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id'))
      .addColumn('seq', integer, (c) => c.notNull())
      .addColumn('sender_id', 'text', (c) => c.notNull())
      .addColumn('kid', 'text')
      .addColumn('sealed', bytes)
      .addColumn('revision', integer, (c) => c.notNull())
      .addColumn('sent_at', integer, (c) => c.notNull())
      .addColumn('deleted_at', integer)
      .addColumn('deleted_by', 'text')
      .addPrimaryKeyConstraint('message_pk', ['channel_id', 'seq']),
  )
  await db.schema.createIndex('message_sent').on('message').columns(['channel_id', 'sent_at']).execute()
  // Unread counts leave tombstones out; they are few, so this index is small. With the time in it, SQLite need not look
  // at the messages themselves.
  await db.schema
    .createIndex('message_tombstone')
    .on('message')
    .columns(['channel_id', 'seq', 'deleted_at'])
    .where(sql.ref('deleted_at'), 'is not', null)
    .execute()
  await finish(
    db.schema
      .createTable('read_state')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('read_seq', integer, (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('read_state_pk', ['user_id', 'channel_id']),
  )

  await finish(
    db.schema
      .createTable('event')
      .addColumn('stream', integer, (c) => c.notNull())
      .addColumn('pos', integer, (c) => c.notNull())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('channel_id', 'text', (c) => c.notNull())
      .addColumn('ref_id', 'text')
      .addPrimaryKeyConstraint('event_pk', ['stream', 'pos']),
  )
  await db.schema.createIndex('event_at').on('event').column('at').execute()
  await finish(
    db.schema
      .createTable('event_stream')
      .addColumn('stream', integer, (c) => c.primaryKey())
      .addColumn('pruned_pos', integer, (c) => c.notNull())
      .addColumn('head_pos', integer, (c) => c.notNull())
      .addColumn('untold', integer, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('presence')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('stream', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('presence_pk', ['user_id', 'stream']),
  )
  await db.schema.createIndex('presence_stream').on('presence').column('stream').execute()
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  const tables = [
    'presence',
    'event_stream',
    'event',
    'read_state',
    'message',
    'channel_member',
    'channel',
    'refresh_token',
    'session',
    'user_role',
    'user',
    'encryption_key',
    'server_setting',
  ]
  for (const table of tables) await db.schema.dropTable(table).execute()
}
