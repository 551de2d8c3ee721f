import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import ndc from 'node-datachannel'
import type { Program } from './program.ts'

const PAYLOAD_TYPE = 111
const FRAME_MS = 20
const HEADER = 12

/** One talker and many listeners, of either side. */
export interface Room extends AsyncDisposable {
  readonly server: Program
  /** Sends a packet of speech. */
  say(packet: Buffer): void
  /** Called with each packet that a listener has got. */
  onHeard: (packet: Buffer) => void
}

export interface Talk {
  readonly packets: number
  readonly lost: number
  readonly cpuSeconds: number
  readonly seconds: number
  readonly latencies: number[]
}

/** Talks for a while, 50 packets a second as Opus does, and looks at what arrives. */
export async function talk(room: Room, listeners: number, ms: number): Promise<Talk> {
  const latencies: number[] = []
  room.onHeard = (packet) => void latencies.push(performance.now() - packet.readDoubleBE(HEADER))
  const cpuBefore = room.server.cpuSeconds()
  const started = performance.now()
  const count = Math.floor(ms / FRAME_MS)
  for (let sent = 0; sent < count; sent++) {
    const wait = started + sent * FRAME_MS - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    room.say(speech())
  }
  // What is late is late, not lost.
  for (let i = 0; i < 50 && latencies.length < count * listeners; i++)
    await new Promise((resolve) => setTimeout(resolve, 20))
  return {
    packets: latencies.length,
    lost: count * listeners - latencies.length,
    cpuSeconds: room.server.cpuSeconds() - cpuBefore,
    seconds: (performance.now() - started) / 1000,
    latencies,
  }
}

let sequence = 0

/** Opus at 48 kbit/s: 120 bytes in 20 ms. */
function speech(): Buffer {
  const packet = Buffer.alloc(HEADER + 120, 1)
  sequence = (sequence + 1) % 65_536
  packet.writeUInt16BE(0x8000 | PAYLOAD_TYPE)
  packet.writeUInt16BE(sequence, 2)
  packet.writeUInt32BE((sequence * 960) % 2 ** 32, 4)
  packet.writeUInt32BE(1000, 8)
  packet.writeDoubleBE(performance.now(), HEADER)
  return packet
}

/** Listeners on bare UDP, behind a relay. */
export async function bareRoom(server: Program, count: number): Promise<Room> {
  const sockets: Socket[] = []
  const room = { onHeard: (_packet: Buffer): void => {} }
  for (let i = 0; i < count; i++) {
    const socket = createSocket('udp4')
    socket.on('message', (packet) => room.onHeard(packet))
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    sockets.push(socket)
  }
  const response = await fetch(server.url, {
    method: 'POST',
    body: JSON.stringify(sockets.map((socket) => socket.address().port)),
  })
  const { port } = (await response.json()) as { port: number }
  const talker = createSocket('udp4')
  talker.connect(port, '127.0.0.1')
  await once(talker, 'connect')
  return Object.assign(room, {
    server,
    say: (packet: Buffer) => talker.send(packet),
    [Symbol.asyncDispose]: async () => {
      for (const socket of [...sockets, talker]) socket.close()
    },
  })
}

/** Listeners with libdatachannel, connected to the media server. @returns also how long each took to connect */
export async function ourRoom(server: Program, count: number): Promise<Room & { connectMs: number[] }> {
  const connections: ndc.PeerConnection[] = []
  const connectMs: number[] = []
  const room = { onHeard: (_packet: Buffer): void => {} }
  const join = async (name: string, direction: 'SendOnly' | 'RecvOnly'): Promise<ndc.Track> => {
    const started = performance.now()
    const connection = new ndc.PeerConnection(name, {
      iceServers: [],
      bindAddress: '127.0.0.1',
      disableAutoNegotiation: true,
    })
    connections.push(connection)
    const audio = new ndc.Audio('0', direction)
    audio.addOpusCodec(PAYLOAD_TYPE)
    if (direction === 'SendOnly') audio.addSSRC(1000, 'cname', 'stream', 'mic')
    const track = connection.addTrack(audio)
    const opened = new Promise<void>((resolve) => track.onOpen(resolve))
    const described = new Promise<string>((resolve) => connection.onLocalDescription((sdp) => resolve(sdp)))
    connection.setLocalDescription('offer')
    const response = await fetch(server.url, {
      method: 'POST',
      body: JSON.stringify({ peer: name, offer: await described }),
    })
    const { answer } = (await response.json()) as { answer: string }
    connection.setRemoteDescription(answer, 'answer')
    await opened
    connectMs.push(performance.now() - started)
    return track
  }
  const talker = await join('talker', 'SendOnly')
  const tracks: ndc.Track[] = []
  for (let i = 0; i < count; i++) {
    const track = await join(`listener-${i}`, 'RecvOnly')
    track.onMessage((packet) => {
      const isRtcp = packet[1]! >= 192 && packet[1]! <= 223
      if (!isRtcp) room.onHeard(packet)
    })
    tracks.push(track)
  }
  return Object.assign(room, {
    server,
    connectMs,
    say: (packet: Buffer) => void talker.sendMessageBinary(packet),
    [Symbol.asyncDispose]: async () => {
      for (const connection of connections) connection.close()
      tracks.length = 0
    },
  })
}
