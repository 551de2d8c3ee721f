import { expect, inject, test } from 'vitest'
import { isSound, migrateStorage, rekeyStorage, verifyStorage } from '#features/storage/index.ts'
import { bare, fetchFile, sendFiles, sentFiles, textFile } from '#test/files.ts'
import { request } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { startS3 } from '#test/s3.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

const ROUNDS = 2
const SENDERS = 12
const PER_ROUND = 50

/** Everything that waits to be removed is gone, and what remains is whole. */
async function expectAllSound(server: TestServer): Promise<void> {
  await expect
    .poll(async () => (await verifyStorage(server.ctx)).waiting, { timeout: 10_000, interval: 50 })
    .toBe(0)
  const findings = await verifyStorage(server.ctx)
  expect(isSound(findings), JSON.stringify(findings)).toBe(true)
}

test.each(['disk', 's3'] as const)(
  'after kills amid uploads and deletes nothing is missing, nothing extra and no byte wrong, on %s',
  async (kind) => {
    await using s3 = await startS3()
    const env = kind === 's3' ? s3.env : {}
    await using place = await newPlace()
    const contents = new Map<string, string>()
    const deleted = new Set<string>()
    let person: Person | undefined
    let channel = ''
    for (let round = 0; round < ROUNDS; round++) {
      await using program = await Program.start(place, { env })
      person = person ? new Person(program, person) : await Person.signUp(program, 'owner')
      channel ||= await person.createChannel('general')
      let count = 0
      let isOver = false
      const senders = Array.from({ length: SENDERS }, async (_, sender) => {
        for (let turn = 0; !isOver; turn++) {
          // Some content is the same for all, some is each sender's own, some has several chunks.
          const content =
            turn % 3 === 0
              ? `shared ${turn}`
              : `own ${round} ${sender} ${turn}`.repeat(turn % 3 === 1 ? 1 : 9000)
          try {
            const { status, body } = await sendFiles(person!, channel, [
              textFile('a.txt', content),
              textFile(),
            ])
            if (status !== 201) continue
            contents.set(body.message_id as string, content)
            count++
            if (turn % 2 === 0) continue
            const query = { message_id: body.message_id as string }
            deleted.add(query.message_id)
            await person!.delete(`/api/v1/channels/${channel}/delete_message`, { query })
          } catch (error) {
            if (!(error instanceof TypeError)) throw error
            return
          }
        }
      })
      await expect.poll(() => count, { timeout: 20_000, interval: 5 }).toBeGreaterThan(PER_ROUND)
      await program.kill()
      isOver = true
      await Promise.all(senders)
    }

    await using server = await startServer({ place, env: { ...env, PUBLIC_ORIGIN: 'https://chat.example' } })
    await expectAllSound(server)
    const again = new Person(server, person!)
    const { body } = await again.get(`/api/v1/channels/${channel}/load_messages`, {
      query: { messages_per_page: 50 },
    })
    // oxlint-disable-next-line typescript/no-explicit-any -- messages as they come over the wire
    for (const message of body.messages as any[]) {
      const content = contents.get(message.message_id)
      if (content === undefined) continue
      const fetched = await fetchFile(server, message.attachments[0])
      expect(fetched.bytes.toString()).toBe(content)
    }
    expect(body.messages.length).toBeGreaterThan(0)
    expect(deleted.size).toBeGreaterThan(0)
  },
)

test('files move to S3 and back while people use them, and a new key opens them still', async () => {
  await using s3 = await startS3()
  await using place = await newPlace()
  const contents = Array.from({ length: 12 }, (_, index) => `content ${index} `.repeat(index * 2000 + 1))
  const attachments: string[] = []
  let channel = ''
  let person: Person | undefined
  const expectAll = async (server: TestServer): Promise<void> => {
    for (const [index, url] of attachments.entries()) {
      const { bytes } = await fetchFile(server, bare(url), { token: person!.token })
      expect(bytes.toString()).toBe(contents[index])
    }
    await expectAllSound(server)
  }
  const env = { PUBLIC_ORIGIN: 'https://chat.example' }
  {
    await using server = await startServer({ place, env })
    person = await server.person('owner')
    channel = await person.createChannel('general')
    for (const content of contents.slice(0, 8)) {
      attachments.push((await sentFiles(person, channel, [textFile('a.txt', content)])).attachments[0])
    }
  }
  {
    await using server = await startServer({ place, env: { ...env, ...s3.env } })
    person = new Person(server, person)
    for (const content of contents.slice(8)) {
      attachments.push((await sentFiles(person, channel, [textFile('a.txt', content)])).attachments[0])
    }
    await expectAll(server)
    // Reads go on all the time.
    const [moved] = await Promise.all([
      migrateStorage(server.ctx, 's3'),
      expectAll(server),
      expectAll(server),
    ])
    expect(moved).toMatchObject({ moved: 8, failed: [] })
    await expectAll(server)
    expect(await migrateStorage(server.ctx, 's3')).toMatchObject({ moved: 0 })
    expect(await rekeyStorage(server.ctx, { newKey: true })).toBe(24)
    await expectAll(server)
    expect(await migrateStorage(server.ctx, 'disk')).toMatchObject({ moved: 12, failed: [] })
    await expectAll(server)
  }
  await using server = await startServer({ place, env })
  person = new Person(server, person)
  await expectAll(server)
})

test('damage is found: a changed byte, a cut, an object that is gone or was swapped, and one too many', async () => {
  if (inject('database') === 'postgres') return
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  for (let count = 0; count < 5; count++)
    await sentFiles(owner, channel, [textFile('a.txt', `${count}`.repeat(100_000))])
  await expectAllSound(server)
  const { stores } = server.ctx.vault
  const names: string[] = []
  for await (const { name } of stores.current.list()) names.push(name)
  const bytesOf = async (name: string): Promise<Buffer> => {
    const pieces: Uint8Array[] = []
    for await (const piece of stores.current.read(name, 0, 1e9)) pieces.push(Buffer.from(piece))
    return Buffer.concat(pieces)
  }
  const replace = async (name: string, bytes: Uint8Array): Promise<void> => {
    await stores.current.delete(name)
    await stores.current.write(
      name,
      (async function* () {
        yield bytes
      })(),
    )
  }
  const [flipped, cut, gone, swapped, other] = names as [string, string, string, string, string]
  const changed = await bytesOf(flipped)
  changed[70_000]! ^= 1
  await replace(flipped, changed)
  await replace(cut, (await bytesOf(cut)).subarray(0, 65_552))
  await replace(swapped, await bytesOf(other))
  await stores.current.delete(gone)
  await replace('f'.repeat(32), Buffer.from('a stray'))
  const findings = await verifyStorage(server.ctx)
  expect(findings.missing).toEqual([gone])
  expect(findings.damaged.toSorted()).toEqual([flipped, cut, swapped].toSorted())
  expect(findings.extra).toEqual([{ store: 'disk', object: 'f'.repeat(32) }])
  await stores.current.delete('f'.repeat(32))
})

test('while the store is away, files answer 503, and everything else goes on and says so', async () => {
  const s3 = await startS3()
  await using server = await startServer({ env: s3.env })
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const { attachments } = await sentFiles(owner, channel, [textFile()])
  expect((await request(server, 'GET', '/readyz')).body.components).toMatchObject({ storage: true })
  await s3[Symbol.asyncDispose]()
  server.passTime(10_000)
  const ready = await request(server, 'GET', '/readyz')
  expect([ready.status, ready.body.status]).toEqual([200, 'ok'])
  expect(ready.body.components).toMatchObject({ database: true, storage: false })
  expect((await fetchFile(server, attachments[0])).status).toBe(503)
  expect((await sendFiles(owner, channel, [textFile()])).status).toBe(503)
  await owner.send(channel, 'goes on')
})
