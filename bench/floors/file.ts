// The least that serving and storing a file can take: node:http and a stream of the file; or the body written to a new
// file and flushed.
// node file.ts <folder>; GET /<name>, POST /<anything>
import { randomUUID } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { listen } from '../lib/listen.ts'

const folder = process.argv[2]!
const sizes = new Map<string, number>()

listen(
  createServer((request, response) => {
    if (request.method === 'POST') return void store(request, response)
    const file = join(folder, request.url!.slice(1))
    let size = sizes.get(file)
    if (size === undefined) sizes.set(file, (size = statSync(file).size))
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': size })
    createReadStream(file).pipe(response)
  }),
)

async function store(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const handle = await open(join(folder, randomUUID()), 'wx')
  for await (const chunk of request as AsyncIterable<Buffer>) await handle.write(chunk)
  await handle.sync()
  await handle.close()
  response.writeHead(201, { 'content-type': 'application/json', 'content-length': 2 }).end('{}')
}
