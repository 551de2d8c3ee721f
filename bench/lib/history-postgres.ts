import pg from 'pg'

/**
 * What `writeHistory` does, on PostgreSQL: as many messages in each channel, spread at random over time, and the same in
 * every run. Nobody can read them.
 */
export async function writePostgresHistory(url: string, count: number, days: number): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    // Without triggers and foreign keys.
    await client.query(
      'set session_replication_role = replica; set synchronous_commit = off; select setseed(0.5)',
    )
    const channels = await client.query<{ id: string; created_by: string; last_seq: string }>(
      'select id, created_by, last_seq from channel order by id',
    )
    const each = Math.floor(count / channels.rows.length)
    const length = days * 24 * 3600 * 1000
    for (const [index, { id, created_by: sender, last_seq: before }] of channels.rows.entries()) {
      await client.query(
        `insert into message
           (id, channel_id, seq, sender_id, kid, sealed, revision, has_files, sent_at, deleted_at, deleted_by)
         select '00000000-0000-7000-8000-' || lpad(to_hex($1::bigint + n), 12, '0'), $2, $3::bigint + n, $4, 'bench',
           case when gone then null else decode(repeat('00', 64), 'hex') end, 1, 0,
           floor($5::float8 + (n - 1 + random()) * $6::float8 / $7::float8)::bigint,
           case when gone then $8::bigint end, null
         from (select n, random() < 0.01 as gone from generate_series(1, $7::int) as n) as one`,
        [index * each, id, Number(before), sender, Date.now() - length, length, each, Date.now()],
      )
      await client.query('update channel set last_seq = $1 where id = $2', [Number(before) + each, id])
    }
    // As PostgreSQL does by itself after a while.
    await client.query('vacuum analyze')
  } finally {
    await client.end()
  }
}
