import type { Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, finish } = columnsFor(db)

  await finish(
    db.schema
      .createTable('blocked_ip')
      .addColumn('network', 'text', (c) => c.primaryKey())
      .addColumn('reason', 'text', (c) => c.notNull())
      .addColumn('blocked_at', integer, (c) => c.notNull())
      .addColumn('blocked_by', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('automatic', flag, (c) => c.notNull())
      .addColumn('expires_at', integer)
      .addColumn('attempts', integer, (c) => c.notNull())
      .addColumn('last_attempt_at', integer),
  )
  await finish(
    db.schema
      .createTable('invite')
      .addColumn('code', 'text', (c) => c.primaryKey())
      .addColumn('created_by', 'text', (c) => c.references('user.id').onDelete('set null'))
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('expires_at', integer)
      .addColumn('max_uses', integer)
      .addColumn('uses', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('blocked_ip_expiry').on('blocked_ip').column('expires_at').execute()
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.dropTable('invite').execute()
  await db.schema.dropTable('blocked_ip').execute()
}
