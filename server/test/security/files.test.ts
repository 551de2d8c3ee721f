import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { bare, fetchFile, formOf, sendFiles, sentFiles, textFile } from '#test/files.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const HOUR = 3600 * 1000

async function linkFor(person: Person, channel: string): Promise<string> {
  const { body } = await person.get(`/api/v1/channels/${channel}/load_messages`)
  return body.messages.at(-1).attachments[0] as string
}

/** What somebody gets who has the plain address: with a token, and without. */
async function statuses(server: TestServer, url: string, person: Person): Promise<number[]> {
  const plain = bare(url)
  return [
    (await fetchFile(server, plain)).status,
    (await fetchFile(server, plain, { token: person.token })).status,
  ]
}

test('whoever loses the channel loses its files at once, by token and by every link', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const channel = await owner!.createChannel('secret', { private: true, members: [ann!, bob!] })
  using socket = await ann!.connect()
  await sentFiles(owner!, channel, [textFile('a.txt', 'secret')])
  const pushed = (await socket.next('message')).attachments[0] as string
  const [loaded, others] = [await linkFor(ann!, channel), await linkFor(bob!, channel)]
  for (const url of [pushed, loaded, others]) expect((await fetchFile(server, url)).status).toBe(200)
  expect(await statuses(server, loaded, ann!)).toEqual([404, 200])

  await owner!.removeMember(channel, ann!)
  for (const url of [pushed, loaded]) expect((await fetchFile(server, url)).status).toBe(404)
  expect(await statuses(server, loaded, ann!)).toEqual([404, 404])
  // The others notice nothing.
  expect((await fetchFile(server, others)).status).toBe(200)

  await owner!.delete(`/api/v1/channels/${channel}/delete`)
  expect((await fetchFile(server, others)).status).toBe(404)
  expect(await statuses(server, others, owner!)).toEqual([404, 404])
})

test('a link ends with its time and with the session it was given to', async () => {
  const clock = { offset: 0 }
  await using server = await startServer({ clock, env: { STORAGE_LINK_HOURS: '2' } })
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await sentFiles(owner!, channel, [textFile()])
  const link = await linkFor(ann!, channel)
  expect(await linkFor(ann!, channel)).toBe(link)
  expect((await fetchFile(server, link)).status).toBe(200)
  const other = await ann!.signIn()
  const second = await linkFor(other, channel)
  await ann!.post('/api/v1/auth/revoke', { refresh_token: ann!.refreshToken })
  expect((await fetchFile(server, link)).status).toBe(403)
  expect((await fetchFile(server, second)).status).toBe(200)
  clock.offset = 3 * HOUR
  expect((await fetchFile(server, second)).status).toBe(403)
})

test('a link is good for nothing but what it was made for', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('secret', { private: true })
  const shared = await owner!.createChannel('general')
  const secret = bare((await sentFiles(owner!, channel, [textFile()])).attachments[0])
  await sentFiles(owner!, shared, [textFile()])
  const own = new URL(await linkFor(ann!, shared), server.url)
  const others = new URL(await linkFor(owner!, shared), server.url)
  // Ann's link, put on a file she may not see, or passed off as the owner's.
  expect((await fetchFile(server, secret + own.search)).status).toBe(404)
  expect((await fetchFile(server, secret + others.search)).status).toBe(404)
  const query = (change: Record<string, string>): string => {
    const url = new URL(own)
    for (const [name, value] of Object.entries(change)) url.searchParams.set(name, value)
    return url.pathname + url.search
  }
  for (const change of [
    { exp: '9999999999' },
    { exp: '0' },
    { viewer: others.searchParams.get('viewer')! },
    { viewer: '' },
    { sig: own.searchParams.get('sig')!.replace(/.$/, (end) => (end === 'A' ? 'Q' : 'A')) },
    { sig: '' },
    { sig: 'x'.repeat(22) },
  ]) {
    expect((await fetchFile(server, query(change))).status, JSON.stringify(change)).toBe(404)
  }
  expect((await fetchFile(server, own.pathname + own.search)).status).toBe(200)
  // A token that does not count is said to be so, also beside a link.
  expect((await fetchFile(server, own.pathname + own.search, { token: 'x.y.z' })).status).toBe(401)
})

test('nobody learns from what they upload whether somebody else has it', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('secret', { private: true })
  const content = `what only the owner has ${crypto.randomUUID()}`
  await sentFiles(owner!, channel, [textFile('a.txt', content)])
  const hash = createHash('sha256').update(content).digest('hex')
  const open = await owner!.createChannel('general')
  const before = await fetchFile(server, `/storage/${hash}`, { token: ann!.token })
  const unknown = await fetchFile(
    server,
    `/storage/${hash.replace(/^./, (digit) => (digit === '0' ? '1' : '0'))}`,
    {
      token: ann!.token,
    },
  )
  expect([before.status, before.bytes.toString()]).toEqual([404, unknown.bytes.toString()])
  // The same content twice, once known to the server and once new to it: the answers have the same form.
  const known = await sentFiles(ann!, open, [textFile('a.txt', content)])
  const fresh = await sentFiles(ann!, open, [textFile('a.txt', content.replace('what', 'WHAT'))])
  const form = (message: { files: object[] }) => Object.keys(message.files[0]!).toSorted()
  expect(form(known)).toEqual(form(fresh))
  expect(known.files[0].file_id).not.toBe(fresh.files[0].file_id)
  // Now ann has it herself, and may ask for it by its hash; her deleting it does not touch the owner's.
  expect((await fetchFile(server, `/storage/${hash}`, { token: ann!.token })).status).toBe(200)
  await ann!.delete(`/api/v1/channels/${open}/delete_message`, { query: { message_id: known.message_id } })
  expect((await fetchFile(server, `/storage/${hash}`, { token: ann!.token })).status).toBe(404)
  expect((await fetchFile(server, `/storage/${hash}`, { token: owner!.token })).bytes.toString()).toBe(
    content,
  )
})

test('who may not send to a channel, or may not upload, sends no file to it', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('secret', { private: true })
  const stored = async (): Promise<number> => {
    let count = 0
    for await (const _object of server.ctx.vault.stores.current.list()) count++
    return count
  }
  expect((await sendFiles(ann!, channel, [textFile()], 'x')).status).toBe(404)
  expect((await sendFiles(ann!, crypto.randomUUID(), [textFile()])).status).toBe(404)
  const form = formOf(['attachments', textFile()])
  const path = `/api/v1/channels/${channel}/send_message`
  expect((await request(server, 'POST', path, { form })).status).toBe(401)
  expect((await request(server, 'POST', path, { form, token: 'x.y.z' })).status).toBe(401)
  expect(await stored()).toBe(0)
})

test('a token that comes after more than can be held back comes too late', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const file = textFile('big.bin', new Uint8Array(9 * 1024 * 1024))
  const { status, body } = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    form: formOf(['attachments', file], ['auth_token', owner.token]),
  })
  expect([status, body.detail]).toEqual([401, 'The token must come before the files, or in a header'])
})

test('a form with the tokens of two people is refused', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  const { status } = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    token: ann!.token,
    form: formOf(['attachments', textFile()], ['auth_token', owner!.token]),
  })
  expect(status).toBe(400)
})

test('limits hold at the last byte, and of many who come at once only those who fit are taken', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  const set = async (values: Record<string, unknown>): Promise<void> => {
    await server.ctx.db.transact(async (tx) => {
      for (const [key, value] of Object.entries(values)) {
        const row = { key, value: JSON.stringify(value), updated_at: 0 }
        await tx
          .insertInto('server_setting')
          .values(row)
          .onConflict((conflict) => conflict.column('key').doUpdateSet(row))
          .execute()
      }
    })
    await server.ctx.settings.reload()
  }
  await set({ max_file_size: 1, max_attachments: 2, user_storage_quota: 1 })
  const MB = 1024 * 1024
  const bytes = (count: number, fill = 1): File => textFile('a.bin', new Uint8Array(count).fill(fill))
  expect((await sendFiles(owner!, channel, [bytes(MB + 1)])).status).toBe(413)
  expect((await sendFiles(owner!, channel, [bytes(1), bytes(2), bytes(3)])).status).toBe(400)
  expect((await sendFiles(owner!, channel, [bytes(MB)])).status).toBe(201)
  expect((await sendFiles(owner!, channel, [bytes(1)])).status).toBe(507)
  // Ann has room for ten of these.
  const sizes = Array.from({ length: 16 }, (_, index) => sendFiles(ann!, channel, [bytes(100_000, index)]))
  const answers = (await Promise.all(sizes)).map(({ status }) => status).toSorted()
  expect(answers).toEqual([...Array<number>(10).fill(201), ...Array<number>(6).fill(507)])
  // What was refused left nothing.
  const { rows } = { rows: await server.ctx.db.read.selectFrom('file').selectAll().execute() }
  expect(rows).toHaveLength(11)
  await expect
    .poll(async () => (await server.ctx.db.read.selectFrom('loose_object').selectAll().execute()).length)
    .toBe(0)
})

test.each([
  ['cut off', (form: string) => form.slice(0, -30)],
  ['with a header that does not end', (form: string) => form.replace('\r\n\r\n', '\r\n')],
  ['with hundreds of parts', (form: string) => form.repeat(200)],
  [
    'with a name that is a prototype',
    (form: string) => form.replace('name="attachments"', 'name="__proto__"'),
  ],
])('a form %s is refused, and nothing of it stays', async (_what, change) => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const part = `--b\r\nContent-Disposition: form-data; name="attachments"; filename="a.txt"\r\n\r\n${'x'.repeat(5000)}\r\n`
  const answer = await fetch(`${server.url}/api/v1/channels/${channel}/send_message`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'multipart/form-data; boundary=b' },
    body: change(part.repeat(2)),
  })
  expect([400, 413]).toContain(answer.status)
  await expect
    .poll(async () => (await server.ctx.db.read.selectFrom('loose_object').selectAll().execute()).length)
    .toBe(0)
  expect(await server.ctx.db.read.selectFrom('file').selectAll().execute()).toEqual([])
})
