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
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const table of ['node_session', 'node_challenge']) await db.schema.dropTable(table).execute()
}
