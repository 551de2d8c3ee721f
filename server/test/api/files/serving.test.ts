import { deflateRawSync } from 'node:zlib'
import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { bare, fetchFile, sentFiles, textFile } from '#test/files.ts'
import { sendRaw } from '#test/raw.ts'
import { startServer } from '#test/server.ts'

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex')

test.each([true, false])(
  'parts, conditions and HEAD are answered exactly (encrypted: %s)',
  async (encrypted) => {
    await using server = await startServer({ env: { STORAGE_ENCRYPT: String(encrypted) } })
    const owner = await server.person('owner')
    const content = randomBytes(300_000)
    const message = await sentFiles(owner, await owner.createChannel('general'), [textFile('a.bin', content)])
    const get = (headers: Record<string, string> = {}, method = 'GET') =>
      fetchFile(server, message.attachments[0], { headers, method })

    const whole = await get()
    expect([whole.status, whole.bytes.equals(content)]).toEqual([200, true])
    const etag = `"${sha256(content)}"`
    expect(Object.fromEntries(whole.headers)).toMatchObject({
      'accept-ranges': 'bytes',
      'access-control-allow-origin': '*',
      'cache-control': 'private, no-cache',
      'content-disposition': 'attachment; filename="a.bin"',
      'content-length': '300000',
      'content-security-policy': "sandbox; default-src 'none'",
      'content-type': 'application/octet-stream',
      'cross-origin-resource-policy': 'cross-origin',
      'last-modified': expect.stringMatching(/GMT$/),
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.any(String),
      etag,
    })
    const head = await get({}, 'HEAD')
    expect([head.status, head.bytes.length, head.headers.get('content-length')]).toEqual([200, 0, '300000'])

    for (const [range, first, last] of [
      ['bytes=0-0', 0, 0],
      ['bytes=65535-65536', 65_535, 65_536],
      ['bytes=131072-', 131_072, 299_999],
      ['bytes=-7', 299_993, 299_999],
      ['bytes=-999999', 0, 299_999],
      ['bytes=299999-400000', 299_999, 299_999],
    ] as const) {
      const part = await get({ range })
      expect(part.status, range).toBe(206)
      expect(part.headers.get('content-range')).toBe(`bytes ${first}-${last}/300000`)
      expect(part.bytes.equals(content.subarray(first, last + 1)), range).toBe(true)
    }
    const several = await get({ range: 'bytes=5-9, 200000-200004, -3' })
    expect(several.status).toBe(206)
    const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(several.headers.get('content-type')!)![1]
    expect(several.bytes.length).toBe(Number(several.headers.get('content-length')))
    const parts = several.bytes.toString('latin1').split(`\r\n--${boundary}`).slice(1, -1)
    expect(parts).toEqual(
      (
        [
          [5, 9],
          [200_000, 200_004],
          [299_997, 299_999],
        ] as const
      ).map(
        ([first, last]) =>
          `\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${first}-${last}/300000\r\n\r\n` +
          content.toString('latin1', first, last + 1),
      ),
    )
    const beyond = await get({ range: 'bytes=300000-' })
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */300000'])
    expect(JSON.parse(beyond.bytes.toString())).toEqual({ detail: expect.any(String) })

    expect((await get({ 'if-none-match': etag })).status).toBe(304)
    expect((await get({ 'if-none-match': etag, range: 'bytes=0-0' })).status).toBe(304)
    expect((await get({ 'if-modified-since': whole.headers.get('last-modified')! })).status).toBe(304)
    expect((await get({ 'if-match': '"other"' })).status).toBe(412)
    expect((await get({ 'if-range': '"other"', range: 'bytes=0-0' })).status).toBe(200)
    expect((await get({ 'if-range': etag, range: 'bytes=0-0' })).status).toBe(206)
  },
)

test('a file is found by all forms of its address, and by nothing that looks like a path', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const message = await sentFiles(owner, await owner.createChannel('general'), [textFile('a.txt', 'found')])
  const { file_id: id } = message.files[0]
  const hash = sha256(Buffer.from('found'))
  const options = { token: owner.token }
  for (const address of [
    `/api/v1/cdn/file/${id}.txt`,
    `/api/v1/cdn/file/${id}`,
    `/api/v1/storage/file/${id}.txt`,
    `/api/v1/storage/file/documents/${id}.txt`,
    `/storage/${hash}`,
    `/api/v1/cdn/file/${hash}`,
    `/api/v1/storage/file/${hash}`,
  ]) {
    expect((await fetchFile(server, address, options)).bytes.toString(), address).toBe('found')
    expect((await fetchFile(server, address)).status, address).toBe(404)
  }
  for (const path of [
    '../../../etc/passwd',
    '..%2f..%2f..%2fetc%2fpasswd',
    '%2e%2e/%2e%2e/db/pufferblow.sqlite',
    '..%5c..%5ckeys%5cmaster.key',
    `${id}.txt%00.png`,
    `${id}/../${id}.txt/..`,
    '/etc/passwd',
    'file:///etc/passwd',
    `${id}/0.webp`,
    '%ff',
    '.',
  ]) {
    for (const base of ['/api/v1/cdn/file/', '/api/v1/storage/file/', '/storage/']) {
      const [answer] = await sendRaw(
        server,
        `GET ${base}${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${owner.token}\r\nConnection: close\r\n\r\n`,
      )
      expect([400, 404], `${base}${path}`).toContain(answer!.status)
    }
  }
})

test('what a browser could run is never shown by it, whatever it claims to be', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const script = '<script>alert(1)</script>'
  const files: [File, string][] = [
    [textFile('page.html', `<!doctype html><html>${script}</html>`), 'text/html'],
    [textFile('picture.png', `<html>${script}</html>`), 'text/html'],
    [textFile('drawing.svg', `<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`), 'image/svg+xml'],
    [
      textFile('data.xml', `<?xml version="1.0"?><x xmlns="http://www.w3.org/1999/xhtml">${script}</x>`),
      'application/xml',
    ],
    [textFile('a.pdf', `%PDF-1.7\n${script}`), 'application/pdf'],
  ]
  const { files: stored } = await sentFiles(
    owner,
    channel,
    files.map(([file]) => file),
  )
  for (const [index, [file, type]] of files.entries()) {
    expect(stored[index].type, file.name).toBe(type)
    const { headers } = await fetchFile(server, stored[index].url)
    expect(headers.get('content-disposition'), file.name).toMatch(/^attachment;/)
    expect(headers.get('content-type')).toBe(type === 'application/pdf' ? type : 'application/octet-stream')
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toBe("sandbox; default-src 'none'")
  }
  // An archive that would become a hundred times as much is kept as it is: nobody here unpacks it.
  const packed = deflateRawSync(Buffer.alloc(20_000_000))
  const bomb = Buffer.concat([Buffer.from('504b0304140000000800', 'hex'), Buffer.alloc(20), packed])
  const { attachments } = await sentFiles(owner, channel, [textFile('bomb.zip', bomb)])
  const fetched = await fetchFile(server, attachments[0])
  expect(fetched.bytes.equals(bomb)).toBe(true)
  expect(fetched.headers.get('content-disposition')).toMatch(/^attachment;/)
  // A GIF that is also a script is a GIF to whoever fetches it, and nothing to whoever would run it.
  const { status } = await owner.post(
    `/api/v1/channels/${channel}/send_message`,
    {},
    { json: undefined, form: formWith(textFile('x.gif', `GIF89a/*${'\0'.repeat(40)}*/=1;alert(1)`)) },
  )
  expect(status).toBe(400)
})

function formWith(file: File): FormData {
  const form = new FormData()
  form.append('attachments', file, file.name)
  return form
}

test('a name is kept for people, and cannot break out of a header', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  for (const [given, kept] of [
    ['Prüfung – 試験 "1".txt', 'Prüfung – 試験 "1".txt'],
    ['../../up.txt', 'up.txt'],
    ['evil\u202etxt.exe', 'eviltxt.exe'],
  ] as const) {
    const { files } = await sentFiles(owner, channel, [textFile(given, 'x')])
    // Browsers write line breaks and quotes of names as %0A, %0D and %22.
    expect(files[0].filename.replaceAll('%22', '"')).toBe(kept)
    const { headers } = await fetchFile(server, files[0].url)
    expect(headers.get('content-disposition')).toMatch(/^(inline|attachment); filename="[\x20-\x7e]*"/)
  }
  const body = [
    '--b\r\nContent-Disposition: form-data; name="attachments"; filename="a\r\nX-Evil: 1.txt"\r\n\r\nx\r\n',
    '--b--\r\n',
  ].join('')
  const answer = await fetch(`${server.url}/api/v1/channels/${channel}/send_message`, {
    method: 'POST',
    headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'multipart/form-data; boundary=b' },
    body,
  })
  if (answer.status === 201) {
    const { message_data: sent } = (await answer.json()) as { message_data: { files: { url: string }[] } }
    const { headers } = await fetchFile(server, sent.files[0]!.url)
    expect(headers.get('x-evil')).toBeNull()
  } else expect(answer.status).toBe(400)
})

test('files of public channels are open to all only if the owner says so', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const [open, secret] = [
    await owner.createChannel('general'),
    await owner.createChannel('secret', { private: true }),
  ]
  const [shown, hidden] = [
    bare((await sentFiles(owner, open, [textFile()])).attachments[0]),
    bare((await sentFiles(owner, secret, [textFile()])).attachments[0]),
  ]
  expect((await fetchFile(server, shown)).status).toBe(404)
  await server.ctx.db.transact(async (tx) => {
    const row = { key: 'public_channel_files', value: 'true', updated_at: 0 }
    await tx.insertInto('server_setting').values(row).execute()
  })
  await server.ctx.settings.reload()
  const { status, headers } = await fetchFile(server, shown)
  expect([status, headers.get('cache-control')]).toEqual([200, 'public, no-cache'])
  expect((await fetchFile(server, hidden)).status).toBe(404)
})
