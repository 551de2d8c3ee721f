import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startFauxqs, type FauxqsServer } from 'fauxqs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  dayOf,
  newObjectName,
  ObjectMissingError,
  StorageUnavailableError,
  type BlobStore,
} from './blob-store.ts'
import { DiskStore } from './disk-store.ts'
import { S3Store } from './s3-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'pufferblow-store-'))
let s3Server: FauxqsServer
const stores = new Map<string, BlobStore>()

beforeAll(async () => {
  s3Server = await startFauxqs({ port: 0, logger: false })
  s3Server.createBucket('files')
  const s3 = {
    endpoint: `http://127.0.0.1:${s3Server.port}`,
    bucket: 'files',
    region: 'us-east-1',
    accessKey: 'key',
    secretKey: 'secret',
  }
  stores.set('disk', new DiskStore(folder, { minFreeBytes: 0 }))
  stores.set('s3', await S3Store.open({ ...s3, prefix: 'chat/' }))
})

afterAll(async () => {
  for (const store of stores.values()) await store[Symbol.asyncDispose]()
  await s3Server.stop()
  rmSync(folder, { recursive: true })
})

async function* pieces(...contents: (string | Uint8Array | Error)[]): AsyncGenerator<Uint8Array> {
  for (const content of contents) {
    if (content instanceof Error) throw content
    yield typeof content === 'string' ? Buffer.from(content) : content
  }
}

async function readAll(store: BlobStore, name: string, start = 0, length = 1e9): Promise<string> {
  const parts: Uint8Array[] = []
  for await (const part of store.read(name, start, length)) parts.push(Buffer.from(part))
  return Buffer.concat(parts).toString('latin1')
}

async function namesIn(store: BlobStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list()) names.push(name)
  return names.toSorted()
}

describe.each(['disk', 's3'])('%s', (kind) => {
  test('gives back what was written, as a whole and in parts', async () => {
    const store = stores.get(kind)!
    const name = newObjectName()
    await store.write(name, pieces('0123', '456789'))
    expect(await readAll(store, name)).toBe('0123456789')
    expect(await readAll(store, name, 3, 4)).toBe('3456')
    expect(await readAll(store, name, 8, 50)).toBe('89')
    expect(await readAll(store, name, 50, 5)).toBe('')
    expect(await store.stat(name)).toMatchObject({ name, size: 10 })
    expect(Math.abs((await store.stat(name))!.modifiedAt - Date.now())).toBeLessThan(60_000)
  })

  test('takes objects of nothing and of many parts', async () => {
    const store = stores.get(kind)!
    const [empty, large] = [newObjectName(), newObjectName()]
    await store.write(empty, pieces())
    expect(await store.stat(empty)).toMatchObject({ size: 0 })
    const part = Buffer.alloc(700_000, 'x')
    await store.write(large, pieces(...Array.from({ length: 18 }, () => part)))
    expect(await store.stat(large)).toMatchObject({ size: 18 * part.length })
    expect((await readAll(store, large, 17 * part.length)).length).toBe(part.length)
    await store.delete(large)
  })

  test('has nothing of a write that broke off', async () => {
    const store = stores.get(kind)!
    const name = newObjectName()
    const broken = new Error('the client is gone')
    await expect(store.write(name, pieces('some', broken))).rejects.toBe(broken)
    await expect(store.write(name, pieces(Buffer.alloc(11_000_000), broken))).rejects.toBe(broken)
    expect(await store.stat(name)).toBeUndefined()
    expect(await namesIn(store)).not.toContain(name)
  })

  test('forgets what was deleted; deleting what is not there is no error', async () => {
    const store = stores.get(kind)!
    const name = newObjectName()
    await store.write(name, pieces('gone'))
    await store.delete(name)
    await store.delete(name)
    expect(await store.stat(name)).toBeUndefined()
    await expect(readAll(store, name)).rejects.toBeInstanceOf(ObjectMissingError)
  })

  test('lists all objects, and nothing else that lies beside them', async () => {
    const store = stores.get(kind)!
    for (const name of await namesIn(store)) await store.delete(name)
    const names = Array.from({ length: 30 }, newObjectName)
    await Promise.all(names.map((name) => store.write(name, pieces('x'))))
    if (kind === 'disk') writeFileSync(join(folder, dayOf(names[0]!), 'README'), 'not ours')
    expect(await namesIn(store)).toEqual(names.toSorted())
  })

  test('answers a ping', async () => {
    await expect(stores.get(kind)!.ping()).resolves.toBeUndefined()
  })

  test('takes no name for a path', async () => {
    for (const name of ['../../etc/passwd', 'ab/cd', '', '.']) {
      await expect(readAll(stores.get(kind)!, name)).rejects.toBeInstanceOf(ObjectMissingError)
    }
  })
})

test('what is listed of a shared bucket is only what is ours', async () => {
  const options = { bucket: 'files', region: 'us-east-1', accessKey: 'key', secretKey: 'secret' }
  const endpoint = `http://127.0.0.1:${s3Server.port}`
  await using neighbour = await S3Store.open({ ...options, endpoint, prefix: 'other/' })
  const name = newObjectName()
  await neighbour.write(name, pieces('theirs'))
  expect(await namesIn(stores.get('s3')!)).not.toContain(name)
})

test('a service that is away is unavailable, and so is one without the bucket', async () => {
  const options = { region: 'us-east-1', accessKey: 'key', secretKey: 'secret', prefix: '' }
  await using away = await S3Store.open({ ...options, endpoint: 'http://127.0.0.1:9', bucket: 'files' })
  await expect(away.ping()).rejects.toBeInstanceOf(StorageUnavailableError)
  const endpoint = `http://127.0.0.1:${s3Server.port}`
  await using none = await S3Store.open({ ...options, endpoint, bucket: 'nothing' })
  await expect(none.ping()).rejects.toBeInstanceOf(StorageUnavailableError)
  await expect(none.write(newObjectName(), pieces('x'))).rejects.toBeInstanceOf(StorageUnavailableError)
})

test('a disk that is nearly full takes nothing more', async () => {
  await using full = new DiskStore(folder, { minFreeBytes: Number.MAX_SAFE_INTEGER })
  await expect(full.write(newObjectName(), pieces('x'))).rejects.toBeInstanceOf(StorageUnavailableError)
})

test('what is being written is not among the objects, nor is what a crash left', async () => {
  const own = mkdtempSync(join(tmpdir(), 'pufferblow-store-'))
  await using store = new DiskStore(own, { minFreeBytes: 0 })
  const name = newObjectName()
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('begun')
    expect(readdirSync(join(own, 'incoming'))).toEqual([name])
    expect(await store.stat(name)).toBeUndefined()
    expect(await namesIn(store)).toEqual([])
  }
  await store.write(name, slow())
  expect(readdirSync(join(own, 'incoming'))).toEqual([])
  writeFileSync(join(own, 'incoming', name.replace(/./, 'f')), 'left by a crash')
  await store.delete(name.replace(/./, 'f'))
  expect(readdirSync(join(own, 'incoming'))).toEqual([])
  rmSync(own, { recursive: true })
})
