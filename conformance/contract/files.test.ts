import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess } from '../support/api.ts'
import { Person } from '../support/people.ts'

function text(name: string, content: string = crypto.randomUUID()): File {
  return new File([content], name, { type: 'text/plain' })
}

describe('storage', () => {
  test('takes, lists, describes, serves and deletes files, for the owner', async () => {
    const owner = await Person.owner()
    const content = `some notes ${crypto.randomUUID()}`
    const upload = await owner.call('POST', '/api/v1/storage/upload', {
      placement: 'query',
      form: { file: text('notes.txt', content), directory: 'documents' },
    })
    expectSuccess(upload, 201)
    expect(upload.body).toMatchObject({ url: expect.any(String), is_duplicate: false })
    const { url } = upload.body

    const listed = await owner.call('POST', '/api/v1/storage/files', {
      placement: 'body',
      json: { directory: 'documents' },
    })
    expectSuccess(listed, 200)
    const item = listed.body.files.find((file: { url: string }) => file.url === url)
    expect(item).toMatchObject({ size: content.length, type: expect.stringMatching(/^text\/plain/) })

    const info = await owner.call('POST', '/api/v1/storage/file-info', { json: { file_url: url } })
    expectSuccess(info, 200)
    expect(info.body.file_info).toMatchObject({ url, size: content.length, file_hash: expect.any(String) })

    const served = await call('GET', url, { token: owner.token })
    expect([served.status, served.text]).toEqual([200, content])

    const removed = await owner.call('POST', '/api/v1/storage/delete-file', { json: { file_url: url } })
    expectSuccess(removed, 200)
    expect(removed.body).toMatchObject({ message: 'File deleted successfully', file_url: url })
    expectError(await call('GET', url, { token: owner.token }), 404)
    expectError(await owner.call('POST', '/api/v1/storage/file-info', { json: { file_url: url } }), 404)
  })

  test('says what would be cleaned up', async () => {
    const owner = await Person.owner()
    const answer = await owner.call('POST', '/api/v1/storage/cleanup-orphaned', { placement: 'body' })
    expectSuccess(answer, 200)
    expect(answer.body).toMatchObject({ deleted_count: expect.any(Number) })
  })

  test('is for the owner only', async () => {
    const member = await Person.signUp()
    const routes = ['files', 'file-info', 'delete-file', 'cleanup-orphaned'] as const
    for (const route of routes) {
      const json = { file_url: '/storage/x', directory: 'all' }
      expectError(await member.call('POST', `/api/v1/storage/${route}`, { json }), 403)
      expectError(await call('POST', `/api/v1/storage/${route}`, { json }), 401)
    }
    const form = { file: text('x.txt'), directory: 'files' }
    expectError(await member.call('POST', '/api/v1/storage/upload', { form }), 403)
  })
})

describe('serving', () => {
  test('honours ranges, HEAD and conditions', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const sent = await owner.call('POST', `/api/v1/channels/${channel}/send_message`, {
      form: { attachments: text('digits.txt', '0123456789') },
    })
    const [url] = sent.body.attachments as [string]
    const get = (headers: Record<string, string>) => call('GET', url, { token: owner.token, headers })
    const whole = await get({})
    expect([whole.status, whole.text]).toEqual([200, '0123456789'])
    expect(whole.headers.get('accept-ranges')).toBe('bytes')
    expect(whole.headers.get('x-content-type-options')).toBe('nosniff')
    const part = await get({ range: 'bytes=2-4' })
    expect([part.status, part.text, part.headers.get('content-range')]).toEqual([206, '234', 'bytes 2-4/10'])
    const tail = await get({ range: 'bytes=-3' })
    expect([tail.status, tail.text]).toEqual([206, '789'])
    const beyond = await get({ range: 'bytes=10-' })
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */10'])
    const same = await get({ 'if-none-match': whole.headers.get('etag')! })
    expect([same.status, same.text]).toEqual([304, ''])
    const head = await call('HEAD', url, { token: owner.token })
    expect([head.status, head.text, head.headers.get('content-length')]).toEqual([200, '', '10'])
  })

  test('of files of a private channel is for those who may see it', async () => {
    const [owner, member, outsider] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true, members: [member] })
    const sent = await member.call('POST', `/api/v1/channels/${channel}/send_message`, {
      form: { attachments: text('secret.txt', 'a secret') },
    })
    const bare = new URL(sent.body.attachments[0] as string, 'http://x').pathname
    expect((await call('GET', bare, { token: member.token })).text).toBe('a secret')
    expectError(await call('GET', bare), 401, 403, 404)
    expectError(await call('GET', bare, { token: outsider.token }), 403, 404)
    await owner.call('DELETE', `/api/v1/channels/${channel}/remove_user`, {
      query: { to_remove_user_id: member.id },
    })
    expectError(await call('GET', bare, { token: member.token }), 403, 404)
  })
})
