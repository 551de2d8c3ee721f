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

  await finish(
    db.schema
      .createTable('role')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('rights', 'text', (c) => c.notNull())
      .addColumn('position', integer, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull()),
  )
  await finish(
    db.schema
      .createTable('role_list')
      .addColumn('id', integer, (c) => c.primaryKey())
      .addColumn('version', integer, (c) => c.notNull()),
  )
  await db.insertInto('role_list').values({ id: 1, version: 0 }).execute()

  await db.schema
    .alterTable('channel')
    .addColumn('access_revision', integer, (c) => c.notNull().defaultTo(0))
    .execute()
  // Direct conversations are channels of a type of their own, and there may be very many of them.
  await db.schema.createIndex('channel_type').on('channel').columns(['type', 'created_at']).execute()
  await finish(
    db.schema
      .createTable('channel_override')
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('subject_type', 'text', (c) => c.notNull())
      .addColumn('subject_id', 'text', (c) => c.notNull())
      .addColumn('allow', 'text', (c) => c.notNull())
      .addColumn('deny', 'text', (c) => c.notNull())
      .addColumn('updated_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('channel_override_pk', ['channel_id', 'subject_type', 'subject_id']),
  )
  await db.schema
    .createIndex('channel_override_subject')
    .on('channel_override')
    .columns(['subject_type', 'subject_id'])
    .execute()
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  await db.schema.dropTable('channel_override').execute()
  await db.schema.dropIndex('channel_type').execute()
  await db.schema.alterTable('channel').dropColumn('access_revision').execute()
  for (const table of ['role_list', 'role', 'audit_entry']) await db.schema.dropTable(table).execute()
}
