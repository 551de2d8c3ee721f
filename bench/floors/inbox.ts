// The least an inbox can do: check digest and signature of each activity, and store it with one INSERT and its commit.
// node inbox.ts <folder> <public key, PEM>
import { createHash, createPublicKey, verify } from 'node:crypto'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { listen } from '../lib/listen.ts'

const key = createPublicKey(process.argv[3]!)
const db = new DatabaseSync(join(process.argv[2]!, 'floor.sqlite'))
db.exec(`
  pragma journal_mode = wal;
  pragma synchronous = full;
  create table activity (id text primary key, body text not null, at integer not null) strict;
`)
const insert = db.prepare('insert into activity values (?, ?, ?)')

listen(
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const { host, date, digest, signature } = request.headers as Record<string, string>
      const expected = `SHA-256=${createHash('sha256').update(body).digest('base64')}`
      const base = `(request-target): post ${request.url}\nhost: ${host}\ndate: ${date}\ndigest: ${digest}`
      const claimed = Buffer.from(/signature="([^"]+)"/.exec(signature!)![1]!, 'base64')
      if (digest !== expected || !verify('sha256', Buffer.from(base), key, claimed)) {
        return void response.writeHead(401, { 'content-length': 0 }).end()
      }
      const { id } = JSON.parse(body.toString()) as { id: string }
      insert.run(id, body.toString(), Date.now())
      response.writeHead(202, { 'content-length': 2 }).end('{}')
    })
  }),
)
