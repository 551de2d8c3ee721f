// The media server as PufferBlow runs it, without the rest: participants are admitted by HTTP.
import { createServer } from 'node:http'
import { Sfu } from '#sfu/sfu.ts'
import { listen } from '../lib/listen.ts'

const sfu = new Sfu({
  settings: () => ({
    host: '127.0.0.1',
    port: 0,
    announcedAddresses: [],
    tcp: true,
    audibleParticipants: 8,
  }),
  onTrouble: (reason) => console.error(reason),
})
await sfu.start()

async function admit(peer: string, offer: string): Promise<string> {
  const permissions = { speak: true, listen: true, priority: false }
  sfu.admit({ room: 'room', peer, user: peer, permissions, slots: 'answer only', bitrateKbps: 48 })
  const result = await sfu.offer(peer, offer)
  if ('refused' in result) throw new Error(result.refused)
  return result.sdp!
}

listen(
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { peer, offer } = JSON.parse(Buffer.concat(chunks).toString()) as { peer: string; offer: string }
      admit(peer, offer).then(
        (answer) => response.end(JSON.stringify({ answer })),
        (error: unknown) => response.writeHead(500).end(String(error)),
      )
    })
  }),
)
