import sharp from 'sharp'
import { expect, inject, test } from 'vitest'
import { bare, fetchFile, formOf, sentFiles, textFile } from '#test/files.ts'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

function upload(person: Person, fields: Record<string, string>, file?: File): Promise<Answer> {
  const parts = Object.entries(fields).map(([name, value]) => [name, value] as const)
  return request(person.server, 'POST', '/api/v1/storage/upload', {
    token: person.token,
    form: formOf(...(file ? [['file', file] as const] : []), ...parts),
  })
}

const names = (answer: Answer): string[] =>
  answer.body.files.map(({ filename }: { filename: string }) => filename)

test('the owner stores files, for all or for members, and is told what they have twice', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const open = await upload(owner!, { directory: 'uploads' }, textFile('a.txt', 'for all'))
  expect(open).toMatchObject({
    status: 201,
    body: { is_duplicate: false, filename: 'a.txt', type: 'text/plain', size: 7 },
  })
  expect((await fetchFile(server, open.body.url)).bytes.toString()).toBe('for all')
  expect((await upload(owner!, { directory: 'files' }, textFile('b.txt', 'for all'))).body.is_duplicate).toBe(
    true,
  )
  const closed = await upload(
    owner!,
    { directory: 'uploads', visibility: 'members' },
    textFile('c.txt', 'for us'),
  )
  expect((await fetchFile(server, closed.body.url)).status).toBe(404)
  expect((await fetchFile(server, closed.body.url, { token: ann!.token })).bytes.toString()).toBe('for us')

  expect((await upload(ann!, { directory: 'uploads' }, textFile())).status).toBe(403)
  expect((await upload(owner!, {}, textFile())).status).toBe(422)
  expect((await upload(owner!, { directory: 'uploads' })).status).toBe(422)
  for (const directory of ['..', '../keys', 'images/../..', 'nothing']) {
    expect((await upload(owner!, { directory }, textFile())).status, directory).toBe(400)
  }
  expect((await upload(owner!, { directory: 'images' }, textFile())).status).toBe(400)
  expect((await upload(owner!, { directory: 'stickers' }, textFile())).status).toBe(400)
})

test('what is stored is listed by page, directory, kind and size', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await sentFiles(ann!, channel, [
    textFile('one.txt', 'x'.repeat(10)),
    textFile('two.bin', new Uint8Array(20)),
  ])
  await upload(owner!, { directory: 'config' }, textFile('three.json', '{"a":1}'))
  const list = (json: object) => owner!.post('/api/v1/storage/files', json)

  const all = await list({ directory: 'all', sort: 'size' })
  expect(names(all)).toEqual(['two.bin', 'one.txt', 'three.json'])
  expect(all.body).toMatchObject({ total: 3, page: 1, existing_dirs: ['config', 'documents', 'files'] })
  expect(all.body.files[1]).toMatchObject({
    uploader: 'ann',
    reference_type: 'message_attachment',
    channel_name: 'general',
    subdirectory: 'documents',
    is_orphaned: false,
  })
  expect(names(await list({ directory: 'documents' }))).toEqual(['one.txt'])
  expect(names(await list({ directory: 'all', kind: 'document' }))).toEqual(['one.txt'])
  expect(names(await list({ directory: 'all', reference_type: 'storage_upload' }))).toEqual(['three.json'])
  expect(
    names(await list({ directory: 'all', uploader_user_id: ann!.id, sort: 'size', order: 'asc' })),
  ).toEqual(['one.txt', 'two.bin'])
  const second = await list({ directory: 'all', sort: 'size', per_page: 2, page: 2 })
  expect([names(second), second.body.total]).toEqual([['three.json'], 3])
  for (const directory of ['../db', 'keys', '/']) expect((await list({ directory })).status).toBe(400)
  expect((await ann!.post('/api/v1/storage/files', {})).status).toBe(403)
})

test('a file is described and deleted by any form of its address; its message stays', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  using socket = await owner.connect()
  const message = await sentFiles(
    owner,
    channel,
    [textFile('a.txt', 'one'), textFile('b.txt', 'two')],
    'look',
  )
  const url = bare(message.attachments[0])
  const info = (file_url: string) => owner.post('/api/v1/storage/file-info', { file_url })
  const { body } = await info(url)
  expect(body.file_info).toMatchObject({ url, filename: 'a.txt', size: 3, mime_type: 'text/plain' })
  const { file_hash: hash } = body.file_info
  for (const form of [
    `https://chat.example${url}`,
    `/storage/${hash}`,
    hash,
    url.split('/').at(-1)!,
    body.file_info.path,
  ]) {
    expect((await info(form)).body.file_info?.url, form).toBe(url)
  }
  for (const form of ['../../etc/passwd', 'https://x/', '/storage/nothing', 'x'.repeat(400)]) {
    expect((await info(form)).status, form).toBe(404)
  }
  // What is being shown is not taken away by another's page that was kept.
  await owner.load(channel)
  const removed = await owner.post('/api/v1/storage/delete-file', { file_url: url })
  expect(removed.body).toMatchObject({ message: 'File deleted successfully', file_url: url })
  expect(await socket.next('file_deleted')).toMatchObject({
    message_id: message.message_id,
    channel_id: channel,
  })
  const page = await owner.get(`/api/v1/channels/${channel}/load_messages`)
  expect(page.body.messages[0]).toMatchObject({ message: 'look', files: [{ filename: 'b.txt' }] })
  expect((await fetchFile(server, message.attachments[0])).status).toBe(404)
  expect((await owner.post('/api/v1/storage/delete-file', { file_url: url })).status).toBe(404)
})

test('cleaning up says what it would remove before it does, and leaves what is used', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const kept = await sentFiles(owner, channel, [textFile('a.txt', 'kept')])
  const lost = await sentFiles(owner, channel, [textFile('b.txt', 'left behind')])
  const clean = (json: object) => owner.post('/api/v1/storage/cleanup-orphaned', json)
  expect((await clean({})).body).toMatchObject({ deleted_count: 0, freed_bytes: 0, dry_run: false })
  // Nothing we do leaves a file without its message, so somebody else has to.
  await server.ctx.db.transact((tx) =>
    tx
      .deleteFrom('message')
      .where('id', '=', lost.message_id as string)
      .execute(),
  )
  expect((await clean({ dry_run: true })).body).toMatchObject({
    deleted_count: 1,
    freed_bytes: 11,
    dry_run: true,
  })
  const listed = await owner.post('/api/v1/storage/files', { directory: 'all' })
  expect(listed.body.files.filter((file: { is_orphaned: boolean }) => file.is_orphaned)).toHaveLength(1)
  expect((await clean({ subdirectory: 'images' })).body.deleted_count).toBe(0)
  expect((await clean({})).body).toMatchObject({ deleted_count: 1, freed_bytes: 11 })
  expect((await fetchFile(server, kept.attachments[0])).status).toBe(200)
  expect((await owner.post('/api/v1/storage/files', { directory: 'all' })).body.total).toBe(1)
})

test('cleaning up goes by what the database says of pictures of the server, not by what was heard of it', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const image = await sharp({ create: { width: 60, height: 30, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const send = async (kind: string): Promise<string> => {
    const form = formOf(['file', textFile('a.png', image)])
    const path = `/api/v1/system/upload-${kind}`
    const { status, body } = await request(server, 'POST', path, { token: owner.token, form })
    expect(status).toBe(201)
    return body[`${kind}_url`]
  }
  const [avatar, banner] = [await send('avatar'), await send('banner')]
  // Another process has taken the avatar away, and no word of it has come yet.
  await server.ctx.db.transact((tx) =>
    tx.updateTable('server_setting').set({ value: 'null' }).where('key', '=', 'server_avatar').execute(),
  )
  const { body } = await owner.post('/api/v1/storage/cleanup-orphaned', { subdirectory: 'server' })
  expect(body.deleted_count).toBe(1)
  expect((await fetchFile(server, avatar)).status).toBe(404)
  expect((await fetchFile(server, banner)).status).toBe(200)
})

test('two cleanups at once give back what a file refers to once', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const image = await sharp({ create: { width: 600, height: 300, channels: 3, background: 'teal' } })
    .png()
    .toBuffer()
  const kept = await sentFiles(owner, channel, [textFile('a.png', image)])
  const lost = await sentFiles(owner, channel, [textFile('b.png', image)])
  const references = async () =>
    (await runSql(server, 'select refs from blob')).map(({ refs }) => Number(refs))
  expect(await references()).toEqual([2, 2])
  await server.ctx.db.transact((tx) =>
    tx
      .deleteFrom('message')
      .where('id', '=', lost.message_id as string)
      .execute(),
  )
  let cleanups: Promise<Answer[]> | undefined
  await server.ctx.db.transact(async (tx) => {
    // Both have looked, and wait for these rows, before either has removed anything.
    await tx
      .updateTable('thumbnail')
      .set(({ ref }) => ({ width: ref('width') }))
      .execute()
    const clean = () => owner.post('/api/v1/storage/cleanup-orphaned', { subdirectory: 'images' })
    cleanups = Promise.all([clean(), clean()])
    if (inject('database') === 'sqlite') return
    const waiting = `select count(*) as count from pg_stat_activity
      where datname = current_database() and wait_event_type = 'Lock'`
    await expect.poll(() => runSql(server, waiting)).toEqual([{ count: '2' }])
  })
  const counts = (await cleanups!).map(({ body }) => body.deleted_count as number)
  expect(counts.toSorted()).toEqual([0, 1])
  expect(await references()).toEqual([1, 1])
  const [{ url, thumbnails }] = kept.files
  for (const address of [url, thumbnails[0].url]) expect((await fetchFile(server, address)).status).toBe(200)
})
