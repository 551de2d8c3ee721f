// The least a fan-out can take: `ws`, and a plain send to every socket of what was posted.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { listen } from '../lib/listen.ts'

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const text = Buffer.concat(chunks).toString()
    for (const socket of sockets.clients) socket.send(text)
    response.writeHead(200, { 'content-length': 2 }).end('{}')
  })
})
const sockets = new WebSocketServer({ server, perMessageDeflate: false })
listen(server)
