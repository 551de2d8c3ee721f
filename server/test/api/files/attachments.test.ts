import { expect, test } from 'vitest'
import { bare, fetchFile, formOf, sendFiles, sentFiles, textFile } from '#test/files.ts'
import { request } from '#test/http.ts'
import { startServer } from '#test/server.ts'

test('a message with files reaches the others with links that work as they are', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('secret', { private: true, members: [ann!] })
  using socket = await ann!.connect()
  const files = [textFile('a.txt', 'first'), textFile('b.bin', new Uint8Array(200_000).fill(7))]
  const sent = await sentFiles(owner!, channel, files, 'look')
  expect(sent.files).toMatchObject([
    { filename: 'a.txt', type: 'text/plain', size: 5, kind: 'document' },
    { filename: 'b.bin', type: 'application/octet-stream', size: 200_000, kind: 'file' },
  ])
  expect(sent.attachments).toEqual(sent.files.map(({ url }: { url: string }) => url))
  expect(bare(sent.files[0].url)).toMatch(/^\/api\/v1\/cdn\/file\/[\w-]{22}\.txt$/)

  const frame = await socket.next('message')
  const { body } = await ann!.get(`/api/v1/channels/${channel}/load_messages`)
  for (const message of [frame, body.messages[0]]) {
    expect(message.attachments.map(bare)).toEqual(sent.attachments.map(bare))
    const [first, second] = message.attachments as [string, string]
    expect((await fetchFile(server, first)).bytes.toString()).toBe('first')
    expect((await fetchFile(server, second)).bytes.equals(Buffer.alloc(200_000, 7))).toBe(true)
  }
})

test('files may come without text, and text without files, but not neither', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  expect(await sentFiles(owner, channel, [textFile()])).toMatchObject({ message: '' })
  expect(await sendFiles(owner, channel, [], 'text')).toMatchObject({ status: 201 })
  expect(await sendFiles(owner, channel, [], '')).toMatchObject({ status: 400 })
})

test.each(['header', 'query', 'field before the files', 'field after the files'] as const)(
  'the token may come as %s',
  async (place) => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const file = ['attachments', textFile('a.txt', 'content')] as const
    const token = ['auth_token', owner.token] as const
    const { status, body } = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, {
      ...(place === 'header' && { token: owner.token }),
      ...(place === 'query' && { query: { auth_token: owner.token } }),
      form: formOf(
        ...(place.includes('before') ? [token] : []),
        file,
        ['message', 'late text'],
        ...(place.includes('after') ? [token] : []),
      ),
    })
    expect(status, JSON.stringify(body)).toBe(201)
    expect(body.message_data).toMatchObject({ message: 'late text', files: [{ filename: 'a.txt', size: 7 }] })
  },
)

test('a deleted message takes its files with it', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const { message_id: id, attachments } = await sentFiles(owner, channel, [textFile()])
  expect((await fetchFile(server, attachments[0])).status).toBe(200)
  await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: id } })
  expect((await fetchFile(server, attachments[0])).status).toBe(404)
  expect((await fetchFile(server, bare(attachments[0]), { token: owner.token })).status).toBe(404)
})
