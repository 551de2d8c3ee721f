import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, bytes, finish } = columnsFor(db)

  // The server that a person lives on: null is this one.
  await db.schema.alterTable('user').addColumn('origin_server', 'text').execute()

  await db.schema
    .alterTable('dm_preference')
    .addColumn('read_receipts', flag, (c) => c.notNull().defaultTo(1))
    .execute()

  await finish(
    db.schema
      .createTable('federation_person')
      .addColumn('user_id', 'text', (c) => c.primaryKey().references('user.id').onDelete('cascade'))
      .addColumn('is_enabled', flag, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('federation_name')
      .addColumn('name_key', 'text', (c) => c.primaryKey())
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('federation_name_user').on('federation_name').column('user_id').execute()

  // No reference to the user: keys of an account that is gone say that there was one.
  await finish(
    db.schema
      .createTable('federation_key')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('owner_id', 'text', (c) => c.notNull())
      .addColumn('algorithm', 'text', (c) => c.notNull())
      .addColumn('public_key', 'text', (c) => c.notNull())
      .addColumn('kid', 'text', (c) => c.notNull())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('retired_at', integer),
  )
  // Two requests that come first for a person must not each make a key.
  await db.schema
    .createIndex('federation_key_in_use')
    .unique()
    .on('federation_key')
    .columns(['owner_id', 'algorithm'])
    .where(sql.ref('retired_at'), 'is', null)
    .execute()

  await finish(
    db.schema
      .createTable('remote_actor')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('host', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('document', 'text', (c) => c.notNull())
      .addColumn('fetched_at', integer, (c) => c.notNull())
      .addColumn('gone_at', integer),
  )
  await db.schema.createIndex('remote_actor_user').unique().on('remote_actor').column('user_id').execute()
  await db.schema.createIndex('remote_actor_host').on('remote_actor').column('host').execute()
  await db.schema.createIndex('remote_actor_fetched').on('remote_actor').column('fetched_at').execute()

  await finish(
    db.schema
      .createTable('peer_rule')
      .addColumn('domain', 'text', (c) => c.primaryKey())
      .addColumn('action', 'text', (c) => c.notNull())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('created_by', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('peer')
      .addColumn('host', 'text', (c) => c.primaryKey())
      .addColumn('first_seen_at', integer, (c) => c.notNull())
      .addColumn('heard_at', integer)
      .addColumn('delivered_at', integer)
      .addColumn('failed_at', integer)
      .addColumn('failure', 'text')
      .addColumn('failures', integer, (c) => c.notNull())
      .addColumn('retry_at', integer)
      .addColumn('latency_ms', integer)
      .addColumn('signature', 'text', (c) => c.notNull())
      .addColumn('signature_refused_at', integer),
  )

  await finish(
    db.schema
      .createTable('federation_follow')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('actor_id', 'text', (c) => c.notNull().references('remote_actor.id').onDelete('cascade'))
      .addColumn('direction', 'text', (c) => c.notNull())
      .addColumn('activity_id', 'text', (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('federation_follow_pk', ['user_id', 'actor_id', 'direction']),
  )
  await db.schema.createIndex('federation_follow_actor').on('federation_follow').column('actor_id').execute()

  await finish(
    db.schema
      .createTable('federation_block')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('actor_id', 'text', (c) => c.notNull().references('remote_actor.id').onDelete('cascade'))
      .addColumn('created_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('federation_block_pk', ['user_id', 'actor_id']),
  )
  await db.schema.createIndex('federation_block_actor').on('federation_block').column('actor_id').execute()

  await finish(
    db.schema
      .createTable('remote_note')
      .addColumn('object_id', 'text', (c) => c.notNull())
      .addColumn('message_id', 'text', (c) => c.notNull())
      .addColumn('actor_id', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('remote_note_pk', ['object_id', 'message_id']),
  )
  await db.schema.createIndex('remote_note_message').unique().on('remote_note').column('message_id').execute()

  await finish(
    db.schema
      .createTable('federation_seen')
      .addColumn('hash', bytes, (c) => c.primaryKey())
      .addColumn('at', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('federation_seen_at').on('federation_seen').column('at').execute()

  await finish(
    db.schema
      .createTable('federation_delivery')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('host', 'text', (c) => c.notNull())
      .addColumn('lane', 'text', (c) => c.notNull())
      .addColumn('sender_id', 'text', (c) => c.notNull())
      .addColumn('inbox', 'text', (c) => c.notNull())
      .addColumn('activity_id', 'text', (c) => c.notNull())
      .addColumn('activity_type', 'text', (c) => c.notNull())
      .addColumn('kid', 'text', (c) => c.notNull())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .addColumn('state', 'text', (c) => c.notNull())
      .addColumn('attempts', integer, (c) => c.notNull())
      .addColumn('next_at', integer, (c) => c.notNull())
      .addColumn('reason', 'text')
      .addColumn('is_revivable', flag, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('died_at', integer),
  )
  await db.schema
    .createIndex('federation_delivery_lane')
    .on('federation_delivery')
    .columns(['host', 'state', 'lane', 'id'])
    .execute()
  await db.schema
    .createIndex('federation_delivery_died')
    .on('federation_delivery')
    .columns(['died_at', 'id'])
    .where(sql.ref('died_at'), 'is not', null)
    .execute()
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  const tables = [
    'federation_delivery',
    'federation_seen',
    'remote_note',
    'federation_block',
    'federation_follow',
    'peer',
    'peer_rule',
    'remote_actor',
    'federation_key',
    'federation_name',
    'federation_person',
  ]
  for (const table of tables) await db.schema.dropTable(table).execute()
  await db.schema.alterTable('dm_preference').dropColumn('read_receipts').execute()
  await db.schema.alterTable('user').dropColumn('origin_server').execute()
}
