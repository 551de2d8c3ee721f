import { randomBytes } from 'node:crypto'
import type { Socket as NetSocket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { baseUrl } from '../support/api.ts'
import { expectHealthy } from '../support/healthy.ts'
import { Person } from '../support/people.ts'
import { dial, exchange, statusesIn } from '../support/raw.ts'
import { Socket } from '../support/socket.ts'

function upgrade(path: string, headers: readonly string[] = []): string {
  const { host } = new URL(baseUrl())
  const key = randomBytes(16).toString('base64')
  return [
    `GET ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...headers,
    '',
    '',
  ].join('\r\n')
}

/** A masked frame with whatever header one likes. */
function frame(first: number, payload: Buffer, announced = payload.length): Buffer {
  const mask = randomBytes(4)
  const header = Buffer.alloc(10)
  header[0] = first
  header[1] = 0x80 | 127
  header.writeBigUInt64BE(BigInt(announced), 2)
  return Buffer.concat([header, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)])
}

async function attack(bytes: (path: string) => readonly (string | Uint8Array)[]): Promise<string> {
  const { token } = await Person.signUp()
  const socket = dial()
  const chunks: Buffer[] = []
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
  for (const one of bytes(`/ws?auth_token=${token}`)) socket.write(one)
  const timer = setTimeout(() => socket.destroy(), 10_000)
  await closed
  clearTimeout(timer)
  return Buffer.concat(chunks).toString('latin1')
}

describe('the upgrade', () => {
  test('with too many headers is refused [ws CVE-2024-37890]', async () => {
    const { token } = await Person.signUp()
    const many = Array.from({ length: 3000 }, (_, index) => `X-H${index}: 1`)
    const { said } = await exchange(upgrade(`/ws?auth_token=${token}`, many))
    for (const status of statusesIn(said)) expect([101, 400, 431]).toContain(status)
    await expectHealthy()
  })

  test('to anywhere else is no way through [Next.js GHSA-c4j6-fc7j-m34r]', async () => {
    for (const path of ['http://127.0.0.1:1/', '//127.0.0.1:1/', '/nothing', '/api/v1/info']) {
      const { said } = await exchange(upgrade(path), 3000)
      expect(statusesIn(said)).not.toContain(101)
    }
  })

  test('takes no cookie for a token (CWE-1385)', async () => {
    const { token } = await Person.signUp()
    const headers = [`Cookie: auth_token=${token}`, 'Origin: https://evil.example']
    const { said } = await exchange(upgrade('/ws', headers), 3000)
    expect(statusesIn(said)).not.toContain(101)
  })
})

describe('frames', () => {
  const hostile: readonly [string, (path: string) => readonly (string | Uint8Array)[]][] = [
    [
      'that announce 2^62 bytes [Mattermost CVE-2026-2454]',
      (path) => [upgrade(path), frame(0x81, Buffer.from('x'), 2 ** 52)],
    ],
    ['of 64 MiB', (path) => [upgrade(path), frame(0x81, Buffer.alloc(64 * 1024 * 1024, 0x61))]],
    [
      'in endless fragments',
      (path) => [
        upgrade(path),
        frame(0x01, Buffer.from('{')),
        ...Array.from({ length: 2000 }, () => frame(0x00, Buffer.alloc(4096, 0x61))),
      ],
    ],
    ['that are compressed although nobody agreed', (path) => [upgrade(path), frame(0xc1, Buffer.from('x'))]],
    ['with an unknown opcode', (path) => [upgrade(path), frame(0x83, Buffer.from('x'))]],
    ['that are not masked', (path) => [upgrade(path), Buffer.from([0x81, 0x01, 0x61])]],
    ['that are not UTF-8', (path) => [upgrade(path), frame(0x81, Buffer.from([0xff, 0xfe]))]],
    ['that are noise', (path) => [upgrade(path), randomBytes(4096)]],
    [
      'in a flood of pings',
      (path) => [upgrade(path), ...Array.from({ length: 5000 }, () => frame(0x89, Buffer.from('x')))],
    ],
  ]
  test.each(hostile)('%s close the socket, not the server', async (_name, bytes) => {
    const said = await attack(bytes)
    expect(statusesIn(said)[0]).toBe(101)
    await expectHealthy()
  })

  test('with a forged sender, type or channel change nothing', async () => {
    const [owner, outsider] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true })
    const message = await owner.send(channel, 'a secret')
    using victim = await Socket.open(`/ws?auth_token=${owner.token}`)
    using socket = await Socket.open(`/ws?auth_token=${outsider.token}`)
    for (const one of [
      { type: 'message', channel_id: channel, message: 'forged', sender_user_id: owner.id },
      { type: 'read_confirmation', message_id: message, channel_id: channel },
      { type: 'read_confirmation', message_id: { $ne: null } },
      { type: 'status_update', status: 'dnd', user_id: owner.id },
      { type: 'message_deleted', message_id: message, channel_id: channel },
      { type: '__proto__' },
      { type: 'toString' },
      { __proto__: { type: 'ping' } },
      [],
      'null',
      '[[[[',
      '['.repeat(10_000),
    ])
      socket.send(one)
    await socket.settled()
    expect(JSON.stringify(await victim.settled())).not.toContain('forged')
    expect(await owner.load(channel)).toEqual(['a secret'])
  })
})

test('five hundred half-open connections do not keep others out', async () => {
  const held: NetSocket[] = []
  try {
    for (let count = 0; count < 500; count++) {
      const socket = dial()
      socket.write('GET /ws HTTP/1.1\r\nHost: ')
      held.push(socket)
    }
    await expectHealthy()
    const person = await Person.signUp()
    using socket = await Socket.open(`/ws?auth_token=${person.token}`)
    await socket.settled()
  } finally {
    for (const socket of held) socket.destroy()
  }
})
