import { mkdirSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject, test, vi } from 'vitest'
import { createBackup } from '#backup/create.ts'
import { BackupError } from '#backup/envelope.ts'
import { checkBackup, restoreBackup } from '#backup/restore.ts'
import { databaseOptionsOf, loadConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { NotEmptyError } from '#db/transfer/load.ts'
import { KeyError } from '#keys/master-key.ts'
import { DiskStore } from '#storage/disk-store.ts'
import { Stores } from '#storage/stores.ts'
import { runCommand } from '#test/command.ts'
import { request } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { startS3 } from '#test/s3.ts'
import { newPlace, startServer, type Place, type TestServer } from '#test/server.ts'

const PASSPHRASE = 'correct horse battery staple'

function configOf(place: Place, env: Record<string, string> = {}): Config {
  return loadConfig({ env: { ...place.env, ...env }, dataDir: place.dataDir }).config
}

function backUp(place: Place, file: string, env: Record<string, string> = {}) {
  const config = configOf(place, env)
  return createBackup({ config, database: databaseOptionsOf(config), file, passphrase: PASSPHRASE })
}

function restore(
  place: Place,
  file: string,
  options: { passphrase?: string; env?: Record<string, string> } = {},
) {
  const config = configOf(place, options.env)
  return restoreBackup({
    config,
    database: { ...databaseOptionsOf(config), onError: () => {} },
    file,
    passphrase: options.passphrase ?? PASSPHRASE,
    verify: true,
  })
}

/** A server with something of each kind in it. */
async function fill(server: TestServer): Promise<{ channel: string; file: string; texts: string[] }> {
  const [owner, bob] = await server.people('owner', 'bob')
  const channel = await owner!.createChannel('general')
  await owner!.createChannel('hidden', { private: true, members: [bob!] })
  const texts = Array.from({ length: 52 }, (_, index) => `message ${index} ✓`)
  for (const [index, text] of texts.entries()) await (index % 2 === 0 ? owner! : bob!).send(channel, text)
  const form = new FormData()
  form.set('message', 'with a file')
  form.append('attachments', new File(['x'.repeat(200_000)], 'notes.txt', { type: 'text/plain' }))
  const { status, body } = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    token: owner!.token,
    form,
  })
  expect(status, JSON.stringify(body)).toBe(201)
  return { channel, file: body.attachments[0] as string, texts: texts.slice(-49) }
}

/** Everything that {@link fill} left is there, and the server works. */
async function expectWhole(
  place: Place,
  before: TestServer,
  left: Awaited<ReturnType<typeof fill>>,
): Promise<void> {
  await using server = await startServer({ place, env: { PUBLIC_ORIGIN: 'https://chat.example' } })
  const person = await before.person('owner')
  const { name, password, id, token, refreshToken } = person
  for (const secret of [password, token, refreshToken]) server.secrets.add(secret)
  // The session goes on: tokens are checked with a key from the backup.
  const owner = new Person(server, { name, password, id, token, refreshToken })
  expect(await owner.load(left.channel, { messages_per_page: 50 })).toEqual([...left.texts, 'with a file'])
  const { pathname, search } = new URL(left.file, server.url)
  const served = await fetch(server.url + pathname + search, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect([served.status, await served.text()]).toEqual([200, 'x'.repeat(200_000)])
  await owner.send(left.channel, 'after the restore')
  expect((await owner.load(left.channel)).at(-1)).toBe('after the restore')
}

test('a backup made while people write is restored whole, and the server goes on from there', async () => {
  await using place = await newPlace()
  await using target = await newPlace()
  await using server = await startServer({ place, env: { PUBLIC_ORIGIN: 'https://chat.example' } })
  const left = await fill(server)
  const owner = await server.person('owner')
  const file = join(place.dataDir, 'chat.backup')
  const noise = await owner.createChannel('noise')
  let writing = true
  const writer = (async () => {
    while (writing) await owner.send(noise, 'meanwhile')
  })()
  const made = await backUp(place, file)
  writing = false
  await writer
  expect(made.missing).toEqual([])
  expect(made.totals).toMatchObject({ objects: 1 })
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const bytes = readFileSync(file).toString('latin1')
  for (const secret of ['message 59', 'general', 'owner', owner.token]) expect(bytes).not.toContain(secret)

  expect(await checkBackup(file, PASSPHRASE)).toMatchObject({ totals: made.totals })
  expect((await restore(target, file)).totals).toEqual(made.totals)
  await expectWhole(target, server, left)
})

test('the server backs itself up at night, keeps the newest, and leaves other files alone', async () => {
  await using place = await newPlace()
  await using target = await newPlace()
  const folder = join(place.dataDir, 'backups')
  const clock = { offset: 0 }
  await using server = await startServer({
    place,
    clock,
    env: {
      PUBLIC_ORIGIN: 'https://chat.example',
      BACKUP_FOLDER: folder,
      BACKUP_PASSPHRASE: PASSPHRASE,
      BACKUP_KEEP: '2',
      ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440',
    },
  })
  server.secrets.add(PASSPHRASE)
  const left = await fill(server)
  const owner = await server.person('owner')
  mkdirSync(folder)
  const cut = 'pufferblow-20200101T000000Z.backup.part'
  for (const name of [cut, 'pufferblow-20200101T000000Z.backup', 'notes.txt', 'pufferblow.backup'])
    writeFileSync(join(folder, name), 'x')
  for (let night = 0; night < 3; night++) {
    await owner.runTask('database_backup')
    server.passTime(60_000)
  }
  const { body } = await owner.post('/api/v1/background-tasks/history', { task_id: 'database_backup' })
  const files = body.runs.map(({ result }: { result: { file: string } }) => result.file)
  expect(body.runs).toMatchObject([
    { state: 'done', result: { configured: true, missing: 0, removed: 1 } },
    { state: 'done', result: { removed: 1 } },
    { state: 'done', result: { removed: 0 } },
  ])
  expect(readdirSync(folder).toSorted()).toEqual(
    ['notes.txt', 'pufferblow.backup', files[0], files[1]].toSorted(),
  )
  // A drill restores the newest, and tells everybody who asks.
  await owner.runTask('backup_drill')
  const drills = await owner.post('/api/v1/background-tasks/history', { task_id: 'backup_drill' })
  expect(drills.body.runs).toMatchObject([
    { state: 'done', result: { configured: true, file: files[0], objects: 1 } },
  ])
  const metrics = await server.ctx.metrics.registry.metrics()
  expect(metrics).toMatch(/^pufferblow_backup_drill_ok 1$/m)
  const doctored = { ...place, env: { ...place.env, PUFFERBLOW_BACKUP_FOLDER: folder } }
  expect((await runCommand(doctored, 'doctor')).stdout).toContain(`ok    last good backup: ${files[0]}`)
  await restore(target, join(folder, files[0]))
  await expectWhole(target, server, left)

  truncateSync(join(folder, files[0]), 70_000)
  const failed = await runCommand(
    { ...doctored, env: { ...doctored.env, PUFFERBLOW_BACKUP_PASSPHRASE: PASSPHRASE } },
    ...['backup', 'drill'],
  )
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('damaged') })
  expect((await runCommand(doctored, 'doctor')).stdout).toMatch(/fail {2}last good backup: .*damaged/)
  expect(await server.ctx.metrics.registry.metrics()).toMatch(/^pufferblow_backup_drill_ok 0$/m)
  // What was restored is gone again.
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith('pufferblow-drill-'))).toEqual([])
})

test('a backup goes into the other database as well', async () => {
  await using place = await newPlace()
  await using target = await newPlace()
  await using server = await startServer({ place, env: { PUBLIC_ORIGIN: 'https://chat.example' } })
  const left = await fill(server)
  const [file, back] = [join(place.dataDir, 'chat.backup'), join(place.dataDir, 'back.backup')]
  await backUp(place, file)
  // From PostgreSQL to SQLite and back again; on SQLite, where no PostgreSQL runs, to another SQLite file.
  const sqlite = { ...target, env: {} }
  await restore(sqlite, file)
  await expectWhole(sqlite, server, left)
  if (inject('database') === 'sqlite') return
  await backUp(sqlite, back)
  await using again = await newPlace()
  await restore(again, back)
  await using restored = await startServer({ place: again, env: { PUBLIC_ORIGIN: 'https://chat.example' } })
  const eve = await restored.person('eve')
  expect((await eve.load(left.channel)).at(-1)).toBe('after the restore')
})

test('what is damaged, cut, or opened with another passphrase is refused and leaves nothing', async () => {
  await using place = await newPlace()
  await using target = await newPlace()
  {
    await using server = await startServer({ place })
    await fill(server)
  }
  const file = join(place.dataDir, 'chat.backup')
  await backUp(place, file)
  const whole = readFileSync(file)
  await expect(restore(target, file, { passphrase: 'another passphrase' })).rejects.toBeInstanceOf(
    BackupError,
  )
  const damaged = Buffer.from(whole)
  damaged[whole.length - 1]! ^= 1
  writeFileSync(file, damaged)
  await expect(restore(target, file)).rejects.toBeInstanceOf(BackupError)
  damaged[whole.length - 1]! ^= 1
  damaged[300]! ^= 1
  writeFileSync(file, damaged)
  await expect(checkBackup(file, PASSPHRASE)).rejects.toBeInstanceOf(BackupError)
  for (const length of [10, 70_000]) {
    writeFileSync(file, whole)
    truncateSync(file, length)
    await expect(checkBackup(file, PASSPHRASE)).rejects.toBeInstanceOf(BackupError)
  }
  writeFileSync(file, whole)
  await expect(backUp(place, file)).rejects.toThrow('exists already')
  // After all that the place is as empty as before.
  await restore(target, file)
  await expect(restore(target, file)).rejects.toBeInstanceOf(NotEmptyError)
})

test('files that move, or go, while a backup is made do not stop it', async () => {
  await using s3 = await startS3()
  await using place = await newPlace()
  const both = { ...s3.env, STORAGE_BACKEND: 'disk' }
  {
    await using server = await startServer({ place, env: both })
    await fill(server)
  }
  const env = Object.fromEntries(Object.entries(both).map(([key, value]) => [`PUFFERBLOW_${key}`, value]))
  await using stores = await Stores.open(configOf(place, env))
  const [from, to] = [stores.of('disk'), stores.of('s3')]
  const [object] = await Array.fromAsync(from.list())
  const { name, size } = object!
  // As when it moves after the snapshot: the row names the disk.
  await to.write(name, from.read(name, 0, size))
  await from.delete(name)
  const moved = join(place.dataDir, 'moved.backup')
  expect(await backUp(place, moved, env)).toMatchObject({ missing: [], totals: { objects: 1, bytes: size } })
  expect(await checkBackup(moved, PASSPHRASE)).toMatchObject({ totals: { objects: 1, bytes: size } })

  // As when it is swept once it was seen.
  await from.write(name, to.read(name, 0, size))
  await to.delete(name)
  const { stat } = DiskStore.prototype
  const spy = vi.spyOn(DiskStore.prototype, 'stat').mockImplementation(async function (
    this: DiskStore,
    object,
  ) {
    const found = await stat.call(this, object)
    await this.delete(object)
    return found
  })
  try {
    const swept = await backUp(place, join(place.dataDir, 'swept.backup'), env)
    expect(swept).toMatchObject({ missing: [name], totals: { objects: 0 } })
  } finally {
    spy.mockRestore()
  }
})

test('a backup is whole where the system takes less at a time than it is given', async () => {
  await using place = await newPlace()
  {
    await using server = await startServer({ place })
    await fill(server)
  }
  await using handle = await open(place.dataDir, 'r')
  const handles = Object.getPrototypeOf(handle) as typeof handle
  const { write } = handles
  const spy = vi.spyOn(handles, 'write').mockImplementation(function (
    this: typeof handle,
    ...[piece, at]: unknown[]
  ) {
    const [bytes, from] = [piece as Uint8Array, (at as number | undefined) ?? 0]
    return Reflect.apply(write, this, [bytes, from, Math.ceil((bytes.length - from) / 2)])
  } as typeof write)
  const file = join(place.dataDir, 'chat.backup')
  try {
    const { totals } = await backUp(place, file)
    expect(spy).toHaveBeenCalled()
    expect(await checkBackup(file, PASSPHRASE)).toMatchObject({ totals })
  } finally {
    spy.mockRestore()
  }
})

test('a backup is not put into a place that has another master key', async () => {
  await using place = await newPlace()
  await using target = await newPlace()
  {
    await using server = await startServer({ place })
    await server.person('owner')
  }
  const file = join(place.dataDir, 'chat.backup')
  await backUp(place, file)
  const env = {
    PUFFERBLOW_MASTER_KEY: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64'),
  }
  await expect(restore(target, file, { env })).rejects.toBeInstanceOf(KeyError)
  await restore(target, file)
})
