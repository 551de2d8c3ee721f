import { existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { run } from '#cli/run.ts'
import { fetchFile, sentFiles, textFile } from '#test/files.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { startS3 } from '#test/s3.ts'
import { newObjectName } from '#storage/blob-store.ts'

/** Runs a command beside a server. @returns what it printed, and its exit code */
async function command(
  server: TestServer,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  const printed: string[] = []
  const remarks: string[] = []
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((text) => printed.push(String(text)) > 0)
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((text) => remarks.push(String(text)) > 0)
  vi.stubEnv('PUFFERBLOW_DATA_DIR', server.ctx.config.data_dir)
  for (const [name, value] of Object.entries(env)) vi.stubEnv(`PUFFERBLOW_${name}`, value)
  process.exitCode = undefined
  try {
    await run(['node', 'pufferblow', 'storage', ...args])
    return { code: Number(process.exitCode ?? 0), stdout: printed.join(''), stderr: remarks.join('') }
  } finally {
    out.mockRestore()
    err.mockRestore()
    vi.unstubAllEnvs()
    process.exitCode = undefined
  }
}

test('usage says what takes the space, by kind, channel and person', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await sentFiles(ann!, channel, [
    textFile('a.txt', 'x'.repeat(3000)),
    textFile('b.bin', new Uint8Array(5000)),
  ])
  await sentFiles(owner!, channel, [textFile('a.txt', 'x'.repeat(3000))])
  const { code, stdout } = await command(server, ['usage', '--json'])
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({
    stored: { objects: 2, bytes: 8000 },
    by_kind: [
      { name: 'document', files: 2, bytes: 6000 },
      { name: 'file', files: 1, bytes: 5000 },
    ],
    by_channel: [{ name: 'general', files: 3, bytes: 11_000 }],
    by_person: [
      { name: 'ann', files: 2, bytes: 8000 },
      { name: 'owner', files: 1, bytes: 3000 },
    ],
  })
  expect((await command(server, ['usage', '--top', '1'])).stdout).toContain('7.8 KB')
  expect((await command(server, ['usage', '--top', 'x'])).code).toBe(2)
})

test('verify is content with what is sound, and fails when an object is gone', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await sentFiles(owner, await owner.createChannel('general'), [textFile()])
  const sound = await command(server, ['verify'])
  expect(sound).toMatchObject({ code: 0 })
  expect(sound.stdout).toContain('Everything is as it should be')
  expect(sound.stderr).toContain('(100 %)')
  rmSync(join(server.ctx.config.data_dir, 'files'), { recursive: true })
  const broken = await command(server, ['verify', '--json'])
  expect(broken.code).toBe(1)
  expect(JSON.parse(broken.stdout)).toMatchObject({ ok: false, missing: [expect.any(String)], damaged: [] })
})

test('migrate, rekey and gc work beside the server that goes on serving', async () => {
  await using s3 = await startS3()
  await using server = await startServer({ env: s3.env })
  const owner = await server.person('owner')
  const { attachments } = await sentFiles(owner, await owner.createChannel('general'), [
    textFile('a.txt', 'here'),
  ])
  expect(JSON.parse((await command(server, ['migrate', '--to', 'disk', '--json'], s3.env)).stdout)).toEqual({
    moved: 1,
    bytes: 4,
    failed: [],
  })
  expect((await fetchFile(server, attachments[0])).bytes.toString()).toBe('here')
  expect((await command(server, ['rekey'], s3.env)).stdout).toBe('Changed 2 keys and names\n')
  expect((await fetchFile(server, attachments[0])).bytes.toString()).toBe('here')
  // What the server stores from now on has the new key: there is nothing left to do.
  await sentFiles(owner, await owner.createChannel('other'), [textFile()])
  expect((await command(server, ['rekey', '--resume'], s3.env)).stdout).toBe('Changed 0 keys and names\n')
  const { stdout } = await command(server, ['gc', '--dry-run', '--json'], s3.env)
  expect(JSON.parse(stdout)).toEqual({ files: 0, objects: 0, bytes: 0, dry_run: true })
  expect((await command(server, ['migrate', '--to', 's3'])).stderr).toContain(
    "the store 's3' is not configured",
  )
})

test('gc says and frees what waits to be removed, and what a crash left of an upload', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await sentFiles(owner, await owner.createChannel('general'), [textFile()])
  const { db, vault, config } = server.ctx
  const [waiting, left, recent] = [newObjectName(), newObjectName(), newObjectName()]
  await vault.stores.current.write(
    waiting,
    (async function* () {
      yield Buffer.alloc(700)
    })(),
  )
  await db.transact((tx) =>
    tx
      .insertInto('loose_object')
      .values({ object: waiting, store: 'disk', writer: null, since: 0 })
      .execute(),
  )
  const unfinished = (name: string): string => join(config.data_dir, 'files/incoming', name)
  for (const name of [left, recent]) writeFileSync(unfinished(name), Buffer.alloc(50))
  const yesterday = Date.now() / 1000 - 24 * 3600
  utimesSync(unfinished(left), yesterday, yesterday)

  const freed = { files: 0, objects: 1, bytes: 750 }
  const plan = await command(server, ['gc', '--dry-run', '--json'])
  expect(JSON.parse(plan.stdout)).toEqual({ ...freed, dry_run: true })
  expect(existsSync(unfinished(left))).toBe(true)
  const done = await command(server, ['gc', '--json'])
  expect(JSON.parse(done.stdout)).toEqual({ ...freed, dry_run: false })
  expect(await vault.stores.current.stat(waiting)).toBeUndefined()
  expect([existsSync(unfinished(left)), existsSync(unfinished(recent))]).toEqual([false, true])
  const again = await command(server, ['gc', '--json'])
  expect(JSON.parse(again.stdout)).toMatchObject({ objects: 0, bytes: 0 })
})
