import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, bytes, finish, finishClustered } = columnsFor(db)

  for (const column of ['changes', 'thread_replies', 'reaction_count']) {
    await db.schema
      .alterTable('message')
      .addColumn(column, integer, (c) => c.notNull().defaultTo(0))
      .execute()
  }
  for (const column of ['edited_at', 'thread_last_at', 'pinned_at']) {
    await db.schema.alterTable('message').addColumn(column, integer).execute()
  }
  for (const column of ['edited_by', 'reply_to_id', 'thread_id', 'pinned_by']) {
    await db.schema.alterTable('message').addColumn(column, 'text').execute()
  }
  // Few messages answer others, are in threads or pinned, so these indexes are small.
  for (const [name, columns] of [
    ['message_reply', ['reply_to_id']],
    ['message_thread', ['thread_id', 'seq']],
    ['message_pin', ['channel_id', 'pinned_at']],
  ] as const) {
    await db.schema
      .createIndex(name)
      .on('message')
      .columns([...columns])
      .where(sql.ref(name === 'message_pin' ? 'pinned_at' : columns[0]), 'is not', null)
      .execute()
  }
  for (const column of ['topic', 'category_id'])
    await db.schema.alterTable('channel').addColumn(column, 'text').execute()
  await db.schema.alterTable('channel').addColumn('position', integer).execute()
  await finish(
    db.schema
      .createTable('channel_category')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('name_key', 'text', (c) => c.notNull())
      .addColumn('position', integer)
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  await db.schema
    .createIndex('channel_category_name_key')
    .unique()
    .on('channel_category')
    .column('name_key')
    .execute()
  await finish(
    db.schema
      .createTable('message_revision')
      .addColumn('message_id', 'text', (c) => c.notNull().references('message.id').onDelete('cascade'))
      .addColumn('revision', integer, (c) => c.notNull())
      .addColumn('kid', 'text', (c) => c.notNull())
      .addColumn('sealed', bytes, (c) => c.notNull())
      .addColumn('written_at', integer, (c) => c.notNull())
      .addColumn('written_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('message_revision_pk', ['message_id', 'revision']),
  )
  await finishClustered(
    db.schema
      .createTable('reaction')
      .addColumn('message_id', 'text', (c) => c.notNull().references('message.id').onDelete('cascade'))
      .addColumn('emoji', 'text', (c) => c.notNull())
      .addColumn('user_id', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('reaction_pk', ['message_id', 'emoji', 'user_id']),
  )
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const table of ['reaction', 'message_revision', 'channel_category'])
    await db.schema.dropTable(table).execute()
  for (const column of ['position', 'category_id', 'topic'])
    await db.schema.alterTable('channel').dropColumn(column).execute()
  for (const index of ['message_pin', 'message_thread', 'message_reply']) {
    await db.schema.dropIndex(index).execute()
  }
  for (const column of [
    'pinned_by',
    'thread_id',
    'reply_to_id',
    'edited_by',
    'pinned_at',
    'thread_last_at',
    'edited_at',
    'reaction_count',
    'thread_replies',
    'changes',
  ]) {
    await db.schema.alterTable('message').dropColumn(column).execute()
  }
}
