import type { Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, finish } = columnsFor(db)

  // No reference to users or targets: an entry outlives what it is about.
  await finish(
    db.schema
      .createTable('audit_entry')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('actor_id', 'text')
      .addColumn('action', 'text', (c) => c.notNull())
      .addColumn('target_type', 'text', (c) => c.notNull())
      .addColumn('target_id', 'text', (c) => c.notNull())
      .addColumn('details', 'text', (c) => c.notNull()),
  )
  for (const column of ['at', 'actor_id', 'action', 'target_id']) {
    await db.schema
      .createIndex(`audit_entry_${column}`)
      .on('audit_entry')
      .columns(column === 'at' ? ['at', 'id'] : [column, 'at', 'id'])
      .execute()
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.dropTable('audit_entry').execute()
}
