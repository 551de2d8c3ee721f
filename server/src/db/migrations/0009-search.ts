import { sql, type Kysely } from 'kysely'
import { columnsFor } from './columns.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- a migration knows the tables of its own time only
export async function up(db: Kysely<any>): Promise<void> {
  const { integer, counter, finish, sqlite } = columnsFor(db)

  await finish(
    db.schema
      .createTable('search_generation')
      .addColumn('id', integer, counter)
      .addColumn('kid', 'text', (c) => c.notNull())
      .addColumn('rules', 'text', (c) => c.notNull())
      .addColumn('created_at', integer, (c) => c.notNull())
      .addColumn('completed_at', integer)
      .addUniqueConstraint('search_generation_made_with', ['kid', 'rules']),
  )
  await (sqlite ? createForSqlite(db) : createForPostgres(db))
}

/**
 * FTS5 orders by number only, so a document's number is the time it was sent and a counter. What was just sent waits in
 * `search_pending`: many documents at once are indexed in a fraction of the time.
 */
// oxlint-disable-next-line typescript/no-explicit-any -- as above
async function createForSqlite(db: Kysely<any>): Promise<void> {
  const statements = [
    sql`create table search_document (
          doc integer primary key,
          message_id text not null unique,
          channel_id text not null,
          generation integer not null
        ) strict`,
    sql`create table search_pending (
          id integer primary key,
          message_id text not null unique,
          channel_id text not null,
          generation integer not null,
          first_doc integer not null,
          tokens text not null
        ) strict`,
    sql`create virtual table search_index using fts5(
          tokens, content = '', contentless_delete = 1, detail = full, tokenize = 'ascii'
        )`,
    sql`create trigger search_document_deleted after delete on search_document begin
          delete from search_index where rowid = old.doc;
        end`,
    // Whoever deletes a message, by whatever way, nothing of it can be found any more.
    sql`create trigger message_deleted_from_search after delete on message begin
          delete from search_pending where message_id = old.id;
          delete from search_document where message_id = old.id;
        end`,
    sql`create trigger message_erased_from_search after update of deleted_at on message
        when new.deleted_at is not null begin
          delete from search_pending where message_id = old.id;
          delete from search_document where message_id = old.id;
        end`,
  ]
  for (const statement of statements) await statement.execute(db)
}

// oxlint-disable-next-line typescript/no-explicit-any -- as above
async function createForPostgres(db: Kysely<any>): Promise<void> {
  const statements = [
    sql`create table search_document (
          message_id text primary key,
          channel_id text not null,
          sent_at bigint not null,
          generation bigint not null,
          tokens tsvector not null
        )`,
    sql`create index search_document_order on search_document (sent_at, message_id)`,
    // What was just sent waits in a list of the index; a long one would slow each search down.
    sql`create index search_document_tokens on search_document using gin (tokens) with (gin_pending_list_limit = 256)`,
    sql`create function delete_from_search() returns trigger language plpgsql as $$
        begin
          delete from search_document where message_id = old.id;
          return null;
        end $$`,
    // Whoever deletes a message, by whatever way, nothing of it can be found any more.
    sql`create trigger message_deleted_from_search after delete on message
        for each row execute function delete_from_search()`,
    sql`create trigger message_erased_from_search after update of deleted_at on message
        for each row when (new.deleted_at is not null) execute function delete_from_search()`,
  ]
  for (const statement of statements) await statement.execute(db)
}

// oxlint-disable-next-line typescript/no-explicit-any -- as above
export async function down(db: Kysely<any>): Promise<void> {
  const { sqlite } = columnsFor(db)
  const onMessage = sqlite ? sql`` : sql` on message`
  await sql`drop trigger message_erased_from_search${onMessage}`.execute(db)
  await sql`drop trigger message_deleted_from_search${onMessage}`.execute(db)
  if (sqlite) {
    await db.schema.dropTable('search_index').execute()
    await db.schema.dropTable('search_pending').execute()
  } else {
    await sql`drop function delete_from_search`.execute(db)
  }
  await db.schema.dropTable('search_document').execute()
  await db.schema.dropTable('search_generation').execute()
}
