// The least that forwarding can take: a UDP socket that sends what comes in to every address it was told, as it is.
import { createSocket } from 'node:dgram'
import { createServer } from 'node:http'
import { listen } from '../lib/listen.ts'

let listeners: readonly number[] = []
const socket = createSocket({
  type: 'udp4',
  lookup: (address, _options, done) => done(null, address, 4),
})
socket.on('message', (packet) => {
  for (const port of listeners) socket.send(packet, port, '127.0.0.1', () => {})
})
socket.bind(0, '127.0.0.1', () => {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      listeners = JSON.parse(Buffer.concat(chunks).toString()) as number[]
      response.end(JSON.stringify({ port: socket.address().port }))
    })
  })
  listen(server)
})
