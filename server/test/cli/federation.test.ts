import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '#test/command.ts'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { request } from '#test/http.ts'
import { FakePeer } from '#test/peer.ts'
import { newPlace } from '#test/server.ts'

test('rules that a command sets take effect in the running server at once', async () => {
  await using place = await newPlace()
  await using server = await startFederated({ place })
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const { id } = peer.person('bob')
  const domain = peer.host.split(':')[0]!
  const look = async (): Promise<number> =>
    (await ann.get('/api/v1/federation/lookup', { query: { handle: id } })).status
  /** The server reads the rules when it is told that they have changed. */
  const becomes = async (status: number): Promise<void> => {
    await expect.poll(look, { interval: 5, timeout: 5000 }).toBe(status)
  }
  expect(await look()).toBe(200)

  expect(await runCommand(place, 'federation', 'block', domain, '--reason', 'spam')).toMatchObject({
    code: 0,
    stdout: `${domain} and all below it: block\n`,
  })
  await becomes(403)
  expect((await runCommand(place, 'federation', 'rules')).stdout).toBe(
    `domain,action,reason\n${domain},block,spam\n`,
  )
  expect(await runCommand(place, 'federation', 'unrule', domain)).toMatchObject({ code: 0 })
  await becomes(200)
  expect((await runCommand(place, 'federation', 'unrule', domain)).code).toBe(1)

  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-rules-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'rules.csv')
  writeFileSync(file, `#domain,#severity\n${domain},suspend\nquiet.example,silence\n`)
  const dry = await runCommand(place, 'federation', 'import', file, '--dry-run')
  expect(dry.stdout).toContain('Would be added: 1')
  expect(dry.stdout).toContain('not usable: quiet.example')
  expect(await look()).toBe(200)
  expect((await runCommand(place, 'federation', 'import', file)).code).toBe(0)
  await becomes(403)
  expect((await runCommand(place, 'federation', 'import', join(folder, 'missing'))).code).toBe(1)
})

test('peers and what was given up are listed, and sent again', async () => {
  await using place = await newPlace()
  await using server = await startFederated({ place })
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const { id } = peer.person('bob')
  peer.misbehave = ({ method }, response) => method === 'POST' && Boolean(response.writeHead(403).end())
  expect((await ann.post('/api/v1/federation/follow', { remote_handle: id })).status).toBe(400)

  expect((await runCommand(place, 'federation', 'peers')).stdout).toContain('the peer answered 403')
  const letters = await runCommand(place, 'federation', 'dead-letters', '--json')
  const [letter] = JSON.parse(letters.stdout) as { id: string; reason: string }[]
  expect(letter).toMatchObject({ reason: 'the peer answered 403', activity_type: 'Follow' })
  peer.misbehave = undefined
  const before = peer.requests.length
  expect((await runCommand(place, 'federation', 'retry', letter!.id)).stdout).toBe(
    '1 delivery queued again\n',
  )
  await peer.until((requests) => requests.length > before)
  expect((await runCommand(place, 'federation', 'drop', '--host', peer.host)).stdout).toBe(
    '0 deliveries dropped\n',
  )
  expect((await runCommand(place, 'federation', 'retry')).code).toBe(1)
})

test('keys that are replaced are other ones at once', async () => {
  await using place = await newPlace()
  await using server = await startFederated({ place })
  const ann = await federatedPerson(server, 'ann')
  const keyOf = async (): Promise<string> =>
    (await request(server, 'GET', `/ap/users/${ann.id}`)).body.publicKey.publicKeyPem
  const before = await keyOf()
  expect(await runCommand(place, 'federation', 'rotate-keys', 'ann')).toMatchObject({
    code: 0,
    stdout: 'The keys of 1 actor were replaced\n',
  })
  expect(await keyOf()).not.toBe(before)
  expect((await runCommand(place, 'federation', 'rotate-keys', 'nobody')).code).toBe(1)
})
