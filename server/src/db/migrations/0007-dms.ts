import type { Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, finish } = columnsFor(db)

  await finish(
    db.schema
      .createTable('node_challenge')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('session_id', 'text', (c) => c.notNull().references('session.id').onDelete('cascade'))
      .addColumn('node_id', 'text', (c) => c.notNull())
      .addColumn('node_public_key', 'text')
      .addColumn('nonce', 'text', (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('consumed_at', integer),
  )
  await db.schema.createIndex('node_challenge_session').on('node_challenge').column('session_id').execute()
  await db.schema.createIndex('node_challenge_expiry').on('node_challenge').column('expires_at').execute()
  await finish(
    db.schema
      .createTable('node_session')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('session_id', 'text', (c) => c.notNull().references('session.id').onDelete('cascade'))
      .addColumn('node_id', 'text', (c) => c.notNull())
      .addColumn('node_public_key', 'text', (c) => c.notNull())
      .addColumn('proof', 'text', (c) => c.notNull())
      .addColumn('token_hash', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('expires_at', integer, (c) => c.notNull())
      .addColumn('ended_at', integer),
  )
  await db.schema.createIndex('node_session_token').unique().on('node_session').column('token_hash').execute()
  await db.schema.createIndex('node_session_session').on('node_session').column('session_id').execute()
  await db.schema.createIndex('node_session_expiry').on('node_session').column('expires_at').execute()

  await finish(
    db.schema
      .createTable('conversation')
      .addColumn('channel_id', 'text', (c) => c.primaryKey().references('channel.id').onDelete('cascade'))
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('pair_key', 'text')
      .addColumn('active_at', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('conversation_pair').unique().on('conversation').column('pair_key').execute()
  await finish(
    db.schema
      .createTable('conversation_request')
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('from_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('conversation_request_pk', ['channel_id', 'user_id']),
  )
  await db.schema
    .createIndex('conversation_request_user')
    .on('conversation_request')
    .columns(['user_id', 'state', 'created_at'])
    .execute()
  await finish(
    db.schema
      .createTable('person_block')
      .addColumn('blocker_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('blocked_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('created_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('person_block_pk', ['blocker_id', 'blocked_id']),
  )
  await finish(
    db.schema
      .createTable('dm_preference')
      .addColumn('user_id', 'text', (c) => c.primaryKey().references('user.id').onDelete('cascade'))
      .addColumn('accept_from', 'text', (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull()),
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  // An older version would take conversations for channels.
  const conversations = db.selectFrom('channel').select('id').where('type', '=', 'dm')
  await db.deleteFrom('message').where('channel_id', 'in', conversations).execute()
  await db.deleteFrom('channel').where('type', '=', 'dm').execute()
  const tables = ['dm_preference', 'person_block', 'conversation_request', 'conversation']
  for (const table of [...tables, 'node_session', 'node_challenge'])
    await db.schema.dropTable(table).execute()
}
