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

  await finish(
    db.schema
      .createTable('restriction')
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('reason', 'text')
      .addColumn('by_id', 'text')
      .addColumn('at', integer, (c) => c.notNull())
      .addColumn('until', integer)
      .addPrimaryKeyConstraint('restriction_pk', ['user_id', 'kind']),
  )
  await finish(
    db.schema
      .createTable('report')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('category', 'text', (c) => c.notNull())
      .addColumn('description', 'text')
      .addColumn('reporter_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('target_user_id', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('resolved_at', integer)
      .addColumn('resolved_by', 'text')
      .addColumn('action', 'text')
      .addColumn('reason', 'text'),
  )
  await db.schema.createIndex('report_created').on('report').columns(['created_at', 'id']).execute()
  await db.schema
    .createIndex('report_reporter')
    .on('report')
    .columns(['reporter_id', 'resolved_at'])
    .execute()
  await finish(
    db.schema
      .createTable('report_message')
      .addColumn('report_id', 'text', (c) => c.notNull().references('report.id').onDelete('cascade'))
      .addColumn('message_id', 'text', (c) => c.notNull())
      .addColumn('channel_id', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('report_message_pk', ['report_id', 'message_id']),
  )

  await db.schema
    .alterTable('channel')
    .addColumn('slow_mode_seconds', integer, (c) => c.notNull().defaultTo(0))
    .execute()
  await finish(
    db.schema
      .createTable('slow_mode_turn')
      .addColumn('channel_id', 'text', (c) => c.notNull().references('channel.id').onDelete('cascade'))
      .addColumn('user_id', 'text', (c) => c.notNull().references('user.id').onDelete('cascade'))
      .addColumn('at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('slow_mode_turn_pk', ['channel_id', 'user_id']),
  )
  await finish(
    db.schema
      .createTable('appearance')
      .addColumn('subject_id', 'text', (c) => c.primaryKey())
      .addColumn('avatar_kind', 'text')
      .addColumn('banner_kind', 'text')
      .addColumn('accent_color', 'text')
      .addColumn('avatar_seed', 'text'),
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const table of [
    'appearance',
    'slow_mode_turn',
    'report_message',
    'report',
    'restriction',
    'channel_override',
  ]) {
    await db.schema.dropTable(table).execute()
  }
  await db.schema.dropIndex('channel_type').execute()
  await db.schema.alterTable('channel').dropColumn('access_revision').execute()
  await db.schema.alterTable('channel').dropColumn('slow_mode_seconds').execute()
  for (const table of ['role_list', 'role', 'audit_entry']) await db.schema.dropTable(table).execute()
}
