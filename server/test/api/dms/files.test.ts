import { expect, test } from 'vitest'
import { conversationsOf, loadDms } from '#test/direct.ts'
import { bare, fetchFile, textFile } from '#test/files.ts'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

function sendFile(from: Person, to: Person, file: File, message?: string) {
  const form = new FormData()
  form.set('peer', to.id)
  if (message !== undefined) form.set('message', message)
  form.set('attachments', file)
  return request(from.server, 'POST', '/api/v1/dms/send', { form, token: from.token })
}

test('files come with a direct message, and nobody else gets them', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  expect(await sendFile(ann!, bob!, textFile('plan.txt', 'a plan'))).toMatchObject({ status: 201 })
  const { body } = await bob!.get('/api/v1/dms/messages', { query: { peer: ann!.id } })
  const [{ attachments, files }] = body.messages
  expect(files).toMatchObject([{ filename: 'plan.txt' }])
  const [link] = attachments as [string]
  expect(await fetchFile(server, link)).toMatchObject({ status: 200 })
  expect((await fetchFile(server, bare(link), { token: bob!.token })).status).toBe(200)
  expect((await fetchFile(server, bare(link), { token: owner!.token })).status).toBe(404)
  expect((await fetchFile(server, bare(link))).status).toBe(404)
  expect(await conversationsOf(bob!)).toMatchObject([{ last_message: { files: [{ filename: 'plan.txt' }] } }])
})

test('whoever is refused leaves no file, and an address of a file is none', async () => {
  await using server = await startServer()
  const [ann, bob] = await server.people('ann', 'bob')
  await bob!.post('/api/v1/dms/block', { peer: 'ann' })
  expect(await sendFile(ann!, bob!, textFile('plan.txt', 'a plan'), 'look')).toMatchObject({ status: 403 })
  await bob!.post('/api/v1/dms/unblock', { peer: 'ann' })
  const json = { peer: bob!.id, message: 'look', attachments: ['/api/v1/cdn/file/x'] }
  expect(await ann!.post('/api/v1/dms/send', json)).toMatchObject({ status: 400 })
  expect(await loadDms(ann!, bob!)).toEqual([])
})
