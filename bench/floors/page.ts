// The least a page of history can take: node:http, one SELECT of 50 plain rows, JSON.stringify.
// node page.ts <folder> <how many messages> <text of each>; GET ?before=<seq> for older ones
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { listen } from '../lib/listen.ts'

const [folder, count, text] = process.argv.slice(2) as [string, string, string]
const db = new DatabaseSync(join(folder, 'floor.sqlite'))
db.exec(`
  pragma journal_mode = wal;
  create table message (
    id text primary key, channel_id text not null, seq integer not null, sender_id text not null,
    body text not null, sent_at integer not null
  ) strict;
  create unique index message_order on message (channel_id, seq);
  begin;
`)
const insert = db.prepare('insert into message values (?, ?, ?, ?, ?, ?)')
const channelId = randomUUID()
const senderId = randomUUID()
for (let seq = 1; seq <= Number(count); seq++)
  insert.run(randomUUID(), channelId, seq, senderId, text, Date.now())
db.exec('commit')
const select = db.prepare(
  'select id, channel_id, sender_id, body, sent_at from message where channel_id = ? and seq < ? order by seq desc limit 50',
)

listen(
  createServer((request, response) => {
    const before = /[?&]before=(\d+)/.exec(request.url!)?.[1]
    const rows = select.all(channelId, before === undefined ? Number.MAX_SAFE_INTEGER : Number(before))
    const body = JSON.stringify({ messages: rows })
    response
      .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
      .end(body)
  }),
)
