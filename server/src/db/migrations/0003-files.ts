import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, flag, bytes, finish } = columnsFor(db)

  await finish(
    db.schema
      .createTable('blob')
      .addColumn('object', 'text', (c) => c.primaryKey())
      .addColumn('store', 'text', (c) => c.notNull())
      .addColumn('sha256', 'text', (c) => c.notNull())
      .addColumn('size', integer, (c) => c.notNull())
      .addColumn('is_sealed', flag, (c) => c.notNull())
      .addColumn('kid', 'text')
      .addColumn('wrapped_secret', bytes)
      .addColumn('refs', integer, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  // The same content is stored once; who comes second takes a reference.
  await db.schema.createIndex('blob_content').unique().on('blob').columns(['sha256', 'is_sealed']).execute()

  await finish(
    db.schema
      .createTable('loose_object')
      .addColumn('object', 'text', (c) => c.primaryKey())
      .addColumn('store', 'text', (c) => c.notNull())
      .addColumn('writer', 'text')
      .addColumn('since', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('loose_object_since').on('loose_object').column('since').execute()

  await finish(
    db.schema
      .createTable('file')
      .addColumn('id', 'text', (c) => c.primaryKey())
      .addColumn('object', 'text', (c) => c.notNull().references('blob.object'))
      .addColumn('owner_id', 'text', (c) => c.notNull())
      .addColumn('purpose', 'text', (c) => c.notNull())
      .addColumn('visibility', 'text', (c) => c.notNull())
      .addColumn('directory', 'text', (c) => c.notNull())
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('type', 'text', (c) => c.notNull())
      .addColumn('extension', 'text', (c) => c.notNull())
      .addColumn('size', integer, (c) => c.notNull())
      .addColumn('kid', 'text', (c) => c.notNull())
      .addColumn('sealed_name', bytes, (c) => c.notNull())
      .addColumn('width', integer)
      .addColumn('height', integer)
      .addColumn('is_animated', flag, (c) => c.notNull())
      .addColumn('channel_id', 'text')
      .addColumn('message_id', 'text')
      .addColumn('place', integer, (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull()),
  )
  await db.schema.createIndex('file_object').on('file').columns(['object', 'owner_id']).execute()
  await db.schema.createIndex('file_owner').on('file').column('owner_id').execute()
  await db.schema.createIndex('file_directory').on('file').columns(['directory', 'id']).execute()
  await db.schema.createIndex('file_created').on('file').columns(['created_at', 'id']).execute()
  await db.schema
    .createIndex('file_message')
    .on('file')
    .columns(['message_id', 'place'])
    .where(sql.ref('message_id'), 'is not', null)
    .execute()

  await finish(
    db.schema
      .createTable('thumbnail')
      .addColumn('file_id', 'text', (c) => c.notNull().references('file.id').onDelete('cascade'))
      .addColumn('width', integer, (c) => c.notNull())
      .addColumn('height', integer, (c) => c.notNull())
      .addColumn('object', 'text', (c) => c.notNull().references('blob.object'))
      .addColumn('size', integer, (c) => c.notNull())
      .addPrimaryKeyConstraint('thumbnail_pk', ['file_id', 'width']),
  )
  await db.schema.createIndex('thumbnail_object').on('thumbnail').column('object').execute()

  await finish(
    db.schema
      .createTable('storage_usage')
      .addColumn('scope', 'text', (c) => c.primaryKey())
      .addColumn('bytes', integer, (c) => c.notNull()),
  )
  await db.insertInto('storage_usage').values({ scope: 'server', bytes: 0 }).execute()

  await db.schema
    .alterTable('message')
    .addColumn('has_files', flag, (c) => c.notNull().defaultTo(0))
    .execute()
  for (const column of ['avatar', 'banner']) {
    await db.schema.alterTable('user').addColumn(column, 'text').execute()
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function down(db: Kysely<any>): Promise<void> {
  for (const column of ['banner', 'avatar']) await db.schema.alterTable('user').dropColumn(column).execute()
  await db.schema.alterTable('message').dropColumn('has_files').execute()
  for (const table of ['storage_usage', 'thumbnail', 'file', 'loose_object', 'blob']) {
    await db.schema.dropTable(table).execute()
  }
}
