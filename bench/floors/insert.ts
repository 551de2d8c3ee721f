// The least a durable send can take: node:http, and one INSERT with a commit and a flush of its own for each request.
// node insert.ts <folder>
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { listen } from '../lib/listen.ts'

const db = new DatabaseSync(join(process.argv[2]!, 'floor.sqlite'))
db.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table message (
    id text primary key, channel_id text not null, sender_id text not null, body text not null, sent_at integer not null
  ) strict;
`)
const insert = db.prepare('insert into message values (?, ?, ?, ?, ?)')
const channelId = randomUUID()
const senderId = randomUUID()

listen(
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { message } = JSON.parse(Buffer.concat(chunks).toString()) as { message: string }
      const id = randomUUID()
      insert.run(id, channelId, senderId, message, Date.now())
      const body = JSON.stringify({ message_id: id })
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
    })
  }),
)
