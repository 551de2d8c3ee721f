import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { DtlsClient } from 'werift'
import { createCertificate } from './dtls/certificate.ts'
import { bindingRequest, parseStun, StunType } from './ice/stun.ts'
import { MediaServer } from './media-server.ts'
import type { SfuEvent } from './messages.ts'
import { FrameReader, frameHeader } from './net/framing.ts'

const settings = {
  host: '127.0.0.1',
  port: 0,
  announcedAddresses: [],
  tcp: true,
  audibleParticipants: 8,
}
const theirs = createCertificate(Date.now())
const transaction = Buffer.alloc(12, 7)

afterEach(() => void vi.useRealTimers())

/** A media server with one participant, whose offer was answered. */
async function admitted() {
  const events: SfuEvent[] = []
  const server = new MediaServer(settings, (event) => void events.push(event))
  await server.start()
  const ready = events.find((event) => event.type === 'ready')!
  server.take({
    type: 'admit',
    room: 'room',
    peer: 'peer',
    user: 'user',
    permissions: { speak: true, listen: true, priority: false },
    slots: 'named',
    bitrateKbps: 48,
  })
  const sdp = [
    'v=0',
    'a=group:BUNDLE 0',
    'm=audio 9 UDP/TLS/RTP/SAVPF 111',
    'a=mid:0',
    'a=sendonly',
    'a=ice-ufrag:theirs',
    `a=fingerprint:sha-256 ${theirs.fingerprint}`,
    'a=setup:actpass',
    'a=rtpmap:111 opus/48000/2',
  ].join('\r\n')
  server.take({ type: 'offer', id: 1, peer: 'peer', sdp })
  const answer = events.find((event) => event.type === 'answer')!
  const valueOf = (name: string): string => new RegExp(`a=${name}:(.*)\r\n`).exec(answer.sdp)![1]!
  return {
    server,
    events,
    port: ready.port,
    ufrag: valueOf('ice-ufrag'),
    password: valueOf('ice-pwd'),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}

type Admitted = Awaited<ReturnType<typeof admitted>>

/** A UDP socket that asks and waits for what comes back. */
async function client(port: number) {
  const socket = createSocket('udp4')
  socket.connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return {
    socket,
    send: (packet: Buffer) => socket.send(packet),
    next: async () => (await once(socket, 'message'))[0] as Buffer,
    [Symbol.dispose]: () => void socket.close(),
  }
}

function check(
  { ufrag, password }: Admitted,
  change: Partial<Parameters<typeof bindingRequest>[0]> = {},
): Buffer {
  return bindingRequest({ transaction, username: `${ufrag}:theirs`, password, useCandidate: true, ...change })
}

/** Sends junk, and then a question whose answer shows that the junk was taken. */
async function survives(one: Admitted, socket: Socket, packets: readonly Buffer[]): Promise<void> {
  for (const packet of packets) if (packet.length > 0) socket.send(packet)
  const answered = once(socket, 'message')
  socket.send(check(one))
  await answered
  expect(one.events.filter(({ type }) => type === 'trouble')).toEqual([])
}

test('a check that proves the password is told where it came from; anything else gets no answer at all', async () => {
  await using one = await admitted()
  using asker = await client(one.port)
  const silent: Buffer[] = []
  asker.socket.on('message', (packet: Buffer) => silent.push(packet))
  asker.send(check(one, { password: 'wrong' }))
  asker.send(check(one, { username: 'nobody:theirs' }))
  asker.send(check(one, { username: `${one.ufrag}:somebody` }))
  asker.send(Buffer.from([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
  asker.send(Buffer.alloc(40, 0x80))
  asker.send(check(one))
  const answer = parseStun(await asker.next())!
  expect(answer.type).toBe(StunType.response)
  expect(answer.mappedAddress).toEqual({ address: '127.0.0.1', port: asker.socket.address().port })
  expect(silent).toHaveLength(1)
})

test('a client that does not want to be in control is told that it must be', async () => {
  await using one = await admitted()
  using asker = await client(one.port)
  asker.send(check(one, { role: 'controlled' }))
  const answer = parseStun(await asker.next())!
  expect(answer.type).toBe(StunType.error)
  expect(answer.raw.includes(Buffer.from([0, 0, 4, 87]))).toBe(true)
})

test('checks come over TCP too, in pieces; what is no frame ends the connection', async () => {
  await using one = await admitted()
  const socket = connect(one.port, '127.0.0.1')
  const request = check(one)
  const framed = Buffer.concat([frameHeader(request.length), request])
  const frames = new FrameReader()
  const answer = new Promise<Buffer>((resolve) => {
    socket.on('data', (chunk: Buffer) => frames.take(chunk)?.forEach(resolve))
  })
  socket.setNoDelay(true)
  for (const piece of [framed.subarray(0, 1), framed.subarray(1, 30), framed.subarray(30)]) {
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(parseStun(await answer)!.type).toBe(StunType.response)
  const closed = once(socket, 'close')
  socket.write(Buffer.alloc(10, 0xff))
  await closed
})

test('no packet makes the media server fail, not even from a client that it knows', async () => {
  await using one = await admitted()
  using known = await client(one.port)
  await survives(one, known.socket, [])
  const packet = fc.tuple(
    fc.constantFrom(0, 1, 20, 21, 22, 23, 63, 64, 128, 144, 191, 200, 255),
    fc.uint8Array({ maxLength: 200 }),
  )
  const record = fc
    .tuple(fc.constantFrom(20, 21, 22, 23), fc.integer({ min: 0, max: 1 }), fc.uint8Array({ maxLength: 150 }))
    .map(([type, epoch, body]): [number, Uint8Array] => [
      type,
      Buffer.concat([Buffer.from([0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, body.length]), body]),
    ])
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(packet, record), { maxLength: 20 }), async (packets) => {
      const bytes = packets.map(([first, rest]) => Buffer.concat([Buffer.from([first]), rest]))
      await survives(one, known.socket, bytes)
    }),
    { numRuns: 60 },
  )
  expect(one.events.some(({ type }) => type === 'gone')).toBe(false)
})

test('a client that falls silent is gone when its consent has run out', async () => {
  await using one = await admitted()
  using asker = await client(one.port)
  asker.send(check(one))
  await asker.next()
  let receive: (data: Buffer) => void = () => {}
  asker.socket.on('message', (packet: Buffer) => {
    if (packet[0]! >= 20) receive(packet)
  })
  const dtls = new DtlsClient({
    transport: {
      type: 'udp',
      address: { port: one.port, address: '127.0.0.1', family: 'IPv4' },
      closed: false,
      set onData(listener: (data: Buffer) => void) {
        receive = listener
      },
      send: async (datagram: Buffer) => asker.send(datagram),
      close: async () => {},
    },
    cert: `-----BEGIN CERTIFICATE-----\n${theirs.der.toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: theirs.key.export({ type: 'pkcs8', format: 'pem' }),
    signatureHash: { hash: 4, signature: 3 },
    srtpProfiles: [7] as never,
    extendedMasterSecret: true,
  })
  await dtls.connect()
  await vi.waitUntil(() => one.events.some(({ type }) => type === 'connected'))
  await vi.waitUntil(() => one.events.some(({ type }) => type === 'gone'), { timeout: 100 }).catch(() => {})
  expect(one.events.some(({ type }) => type === 'gone')).toBe(false)
  const spy = vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 31_000)
  await vi.waitUntil(() => one.events.some(({ type }) => type === 'gone'), { timeout: 5000, interval: 20 })
  spy.mockRestore()
  expect(one.events.find(({ type }) => type === 'gone')).toEqual({
    type: 'gone',
    peer: 'peer',
    reason: 'the connection was lost',
  })
})
