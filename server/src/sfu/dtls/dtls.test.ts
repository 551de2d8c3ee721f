import { createHash, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { DtlsClient } from 'werift'
import { createCertificate, fingerprintOf } from './certificate.ts'
import { parseClientHello } from './handshake.ts'
import { prf } from './prf.ts'
import { MalformedError } from './reader.ts'
import { Reassembly } from './reassembly.ts'
import { DtlsServer, type MediaKeys } from './server.ts'

const ours = createCertificate(Date.now())
const theirs = createCertificate(Date.now())
const fingerprint = { hash: 'sha-256', value: theirs.fingerprint } as const
const pem = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`

/** werift's client, which shares nothing with our server, on the other side of a wire that loses what `lose` says. */
function handshake(options: {
  expected?: { hash: 'sha-256'; value: string }
  lose?: (datagram: Buffer, direction: 'in' | 'out') => boolean
  change?: (datagram: Buffer) => Buffer
}): { result: Promise<MediaKeys | string>; client: DtlsClient; server: DtlsServer } {
  const { lose = () => false, change = (datagram) => datagram } = options
  const done = Promise.withResolvers<MediaKeys | string>()
  const toClient: { onData?: (data: Buffer) => void } = {}
  const server = new DtlsServer({
    certificate: ours,
    fingerprint: options.expected ?? fingerprint,
    send: (datagram) => {
      if (!lose(datagram, 'out')) setImmediate(() => toClient.onData?.(datagram))
    },
    onConnected: (keys) => done.resolve(keys),
    onClosed: (reason) => done.resolve(reason),
  })
  const transport = {
    type: 'udp',
    address: { port: 1, address: '127.0.0.1', family: 'IPv4' },
    closed: false,
    set onData(listener: (data: Buffer) => void) {
      toClient.onData = listener
    },
    send: async (datagram: Buffer) => {
      if (!lose(datagram, 'in')) server.receive(change(Buffer.from(datagram)))
    },
    close: async () => {},
  }
  const client = new DtlsClient({
    transport,
    cert: pem(theirs.der),
    key: theirs.key.export({ type: 'pkcs8', format: 'pem' }),
    signatureHash: { hash: 4, signature: 3 },
    srtpProfiles: [7, 1] as never,
    extendedMasterSecret: true,
  })
  void client.connect().catch(() => {})
  return { result: done.promise, client, server }
}

test('a client of another making agrees with us on keys for media', async () => {
  const { result, client } = handshake({})
  const keys = (await result) as MediaKeys
  expect(keys.profile.name).toBe('AEAD_AES_128_GCM')
  await vi.waitUntil(() => client.connected)
  const { localKey, localSalt, remoteKey, remoteSalt } = client.extractSessionKeys(16, 12)
  expect(keys.incoming).toEqual({ key: localKey, salt: localSalt })
  expect(keys.outgoing).toEqual({ key: remoteKey, salt: remoteSalt })
})

test('a client whose certificate is not the one that signalling told of gets nowhere', async () => {
  const expected = { hash: 'sha-256', value: ours.fingerprint } as const
  expect(await handshake({ expected }).result).toBe("the client's certificate is not the one it announced")
})

test('whoever shows the certificate of another without its key gets nowhere', async () => {
  // The signature (and nothing but it) is spoiled: what somebody has who only saw the certificate go by.
  const change = (datagram: Buffer): Buffer => {
    for (let at = 0; at + 25 < datagram.length; at += 13 + datagram.readUInt16BE(at + 11)) {
      if (datagram[at] === 22 && datagram.readUInt16BE(at + 3) === 0 && datagram[at + 13] === 15)
        datagram[at + 13 + datagram.readUInt16BE(at + 11) - 1]! ^= 1
    }
    return datagram
  }
  expect(await handshake({ change }).result).toBe('the client does not have the key of its certificate')
})

test('a changed greeting is noticed at the end of the handshake', async () => {
  // An attacker in between removes a profile from the client's offer.
  const change = (datagram: Buffer): Buffer => {
    const at = datagram.indexOf(Buffer.from('000e0007000400070001', 'hex'))
    if (at >= 0) datagram.writeUInt16BE(1, at + 6)
    return datagram
  }
  expect(await handshake({ change }).result).toMatch(/does not have the key|not the one this server saw/)
})

test('a lost flight is sent again', async () => {
  let lost = 0
  const { result } = handshake({ lose: (_datagram, direction) => direction === 'out' && lost++ < 2 })
  expect(((await result) as MediaKeys).profile.name).toBe('AEAD_AES_128_GCM')
})

test('nothing that comes in makes the handshake throw', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(20, 21, 22, 23), fc.nat(2), fc.uint8Array({ maxLength: 120 })), {
        maxLength: 6,
      }),
      fc.uint8Array({ maxLength: 80 }),
      (records, rest) => {
        const server = new DtlsServer({
          certificate: ours,
          fingerprint,
          send: () => {},
          onConnected: () => {},
          onClosed: () => {},
        })
        for (const [type, epoch, body] of records) {
          const header = Buffer.from([type, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1, 0, body.length])
          server.receive(Buffer.concat([header, body, rest]))
        }
        server.close()
        expect(server.isConnected).toBe(false)
      },
    ),
  )
})

test('a greeting is read or refused, never misread', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        parseClientHello(Buffer.from(bytes))
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError)
      }
    }),
  )
})

test('messages come whole and in order, however their fragments come', () => {
  const message = fc.record({ type: fc.integer({ min: 1, max: 20 }), body: fc.uint8Array({ maxLength: 60 }) })
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(),
      (messages, size, seed) => {
        const fragments = messages.flatMap(({ type, body }, sequence) => {
          const parts: Buffer[] = []
          for (let offset = 0; offset === 0 || offset < body.length; offset += size) {
            const content = body.subarray(offset, offset + size)
            const header = Buffer.alloc(12)
            header.writeUInt8(type)
            header.writeUIntBE(body.length, 1, 3)
            header.writeUInt16BE(sequence, 4)
            header.writeUIntBE(offset, 6, 3)
            header.writeUIntBE(content.length, 9, 3)
            parts.push(Buffer.concat([header, content]))
          }
          return parts
        })
        const shuffled = fragments
          .map((fragment, i) => ({ fragment, place: createHash('md5').update(`${seed} ${i}`).digest('hex') }))
          .toSorted((a, b) => (a.place < b.place ? -1 : 1))
        const reassembly = new Reassembly()
        const whole = shuffled.flatMap(({ fragment }) => reassembly.take(fragment).messages)
        expect(whole).toEqual(
          messages.map(({ type, body }, sequence) => ({ type, sequence, body: Buffer.from(body) })),
        )
      },
    ),
  )
})

test('our certificate is one that others can read, and its fingerprint is that of its bytes', () => {
  const certificate = new X509Certificate(ours.der)
  expect(certificate.subject).toBe('CN=pufferblow')
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.fingerprint256).toBe(ours.fingerprint)
  expect(fingerprintOf(ours.der, 'sha-512')).toBe(certificate.fingerprint512)
})

test('the pseudorandom function is that of TLS 1.2', () => {
  // The vector that the TLS working group published for P_SHA256.
  const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')
  const secret = hex('9bbe436ba940f017b17652849a71db35')
  const seed = hex('a0ba9f936cda311827a6f796ffd5198c')
  expect(prf(secret, 'test label', seed, 100)).toEqual(
    hex(`e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17
         abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66`),
  )
})
