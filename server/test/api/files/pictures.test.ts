import sharp from 'sharp'
import { expect, test } from 'vitest'
import { fetchFile, formOf, sendFiles, sentFiles, textFile } from '#test/files.ts'
import { request, type Answer } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

async function picture(format: 'png' | 'jpeg' | 'webp', width = 600, height = 300): Promise<Buffer> {
  const image = sharp({ create: { width, height, channels: 3, background: 'teal' } })
  return image
    .withExif({ IFD0: { Make: 'SecretCamera' }, IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '51/1 30/1 0/1' } })
    .toFormat(format)
    .toBuffer()
}

function upload(person: Person, path: string, field: string, file: File): Promise<Answer> {
  return request(person.server, 'POST', path, { token: person.token, form: formOf([field, file]) })
}

test('avatars and banners of people show up wherever these people do', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  await ann!.send(channel, 'before')
  const avatar = await upload(
    ann!,
    '/api/v1/users/profile/avatar',
    'file',
    textFile('me.png', await picture('png')),
  )
  expect(avatar).toMatchObject({ status: 201, body: { status_code: 201, duplicate_status: 'new' } })
  const banner = await upload(
    ann!,
    '/api/v1/users/profile/banner',
    'file',
    textFile('b.jpg', await picture('jpeg')),
  )
  expect(banner.status).toBe(201)
  const { avatar_url: avatarUrl } = avatar.body
  const { banner_url: bannerUrl } = banner.body
  const { body: profile } = await owner!.post('/api/v1/users/profile', { user_id: ann!.id })
  expect(profile.user_data).toMatchObject({ avatar_url: avatarUrl, banner_url: bannerUrl })
  const { body: page } = await owner!.get(`/api/v1/channels/${channel}/load_messages`)
  expect(page.messages[0]).toMatchObject({ sender_avatar_url: avatarUrl, sender_banner_url: bannerUrl })

  // For everybody, and without what the camera wrote into it.
  const { status, headers, bytes } = await fetchFile(server, bannerUrl)
  expect([status, headers.get('content-type')]).toEqual([200, 'image/jpeg'])
  expect(headers.get('cache-control')).toBe('public, max-age=86400, immutable')
  expect(headers.get('content-disposition')).toMatch(/^inline/)
  expect(bytes.includes('SecretCamera')).toBe(false)

  // A new one takes the place of the old one, which is gone.
  const again = await upload(
    ann!,
    '/api/v1/users/profile/avatar',
    'avatar',
    textFile('x.webp', await picture('webp')),
  )
  expect(again.body.duplicate_status).toBe('new')
  expect((await fetchFile(server, avatarUrl)).status).toBe(404)
  const same = await upload(
    ann!,
    '/api/v1/users/profile/avatar',
    'file',
    textFile('x.webp', await picture('webp')),
  )
  expect(same.body.duplicate_status).toBe('existing')
  expect((await fetchFile(server, same.body.avatar_url)).status).toBe(200)
})

test('what is no picture, or too large, changes nothing', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const path = '/api/v1/users/profile/avatar'
  for (const [file, status] of [
    [textFile('me.png', 'not a picture'), 400],
    [textFile('me.png', (await picture('png')).subarray(0, 200)), 400],
    [textFile('me.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>'), 400],
    [textFile('me.png', Buffer.concat([await picture('png'), Buffer.alloc(6 * 1024 * 1024)])), 413],
  ] as const) {
    expect((await upload(ann, path, 'file', file)).status).toBe(status)
  }
  expect((await request(server, 'POST', path, { token: ann.token, form: { x: 'y' } })).status).toBe(422)
  const { body } = await ann.post('/api/v1/users/profile')
  expect(body.user_data.avatar_url).toBeNull()
  // A large one is made smaller instead of being refused.
  const large = await upload(ann, path, 'file', textFile('me.png', await picture('png', 3000, 1500)))
  const { bytes } = await fetchFile(server, large.body.avatar_url)
  expect(await sharp(bytes).metadata()).toMatchObject({ width: 1024, height: 512 })
})

test('the server has an avatar and a banner, set by who manages it', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  for (const kind of ['avatar', 'banner']) {
    const file = textFile('a.png', await picture('png'))
    expect((await upload(ann!, `/api/v1/system/upload-${kind}`, kind, file)).status).toBe(403)
    const { status, body } = await upload(owner!, `/api/v1/system/upload-${kind}`, kind, file)
    expect([status, body.message]).toEqual([201, `Server ${kind} uploaded successfully`])
    expect((await fetchFile(server, body[`${kind}_url`])).status).toBe(200)
    const again = await upload(owner!, `/api/v1/system/upload-${kind}`, 'file', file)
    expect((await fetchFile(server, body[`${kind}_url`])).status).toBe(404)
    expect((await fetchFile(server, again.body[`${kind}_url`])).status).toBe(200)
  }
})

test('a picture in a message has its size, smaller copies, and no place it was taken at', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const { files } = await sentFiles(owner, channel, [textFile('p.jpg', await picture('jpeg'))])
  expect(files[0]).toMatchObject({
    type: 'image/jpeg',
    kind: 'image',
    width: 600,
    height: 300,
    is_animated: false,
  })
  expect((await fetchFile(server, files[0].url)).bytes.includes('SecretCamera')).toBe(false)
  const [thumbnail] = files[0].thumbnails
  const small = await fetchFile(server, thumbnail.url)
  expect(small.headers.get('content-type')).toBe('image/webp')
  expect(await sharp(small.bytes).metadata()).toMatchObject({
    width: thumbnail.width,
    height: thumbnail.height,
  })
  expect(
    (await sendFiles(owner, channel, [textFile('p.jpg', (await picture('jpeg')).subarray(0, 900))])).status,
  ).toBe(400)
})

test('the sender is shown how far an upload is, on their own sockets only', async () => {
  await using server = await startServer()
  const [owner, ann] = await server.people('owner', 'ann')
  const channel = await owner!.createChannel('general')
  using own = await owner!.connect()
  using others = await ann!.connect()
  const form = formOf(['upload_id', 'holiday-1'], ['attachments', textFile('a.bin', new Uint8Array(900_000))])
  const path = `/api/v1/channels/${channel}/send_message`
  expect((await request(server, 'POST', path, { token: owner!.token, form })).status).toBe(201)
  const first = await own.next('upload_progress')
  expect(first).toMatchObject({ upload_id: 'holiday-1', state: 'receiving', total_bytes: expect.any(Number) })
  let last = first
  while (last.state !== 'done') last = await own.next('upload_progress')
  expect(last.received_bytes).toBe(last.total_bytes)
  expect((await others.settled()).filter(({ type }) => type === 'upload_progress')).toEqual([])

  const failing = formOf(
    ['upload_id', 'holiday-2'],
    ['attachments', textFile('a.bin', new Uint8Array(11 * 1024 * 1024))],
  )
  expect((await request(server, 'POST', path, { token: owner!.token, form: failing })).status).toBe(413)
  do last = await own.next('upload_progress')
  while (last.state !== 'failed')
  expect(last.upload_id).toBe('holiday-2')
})

test('clients that need objects get them, with the switch for the original web client', async () => {
  await using server = await startServer({ env: { COMPAT_UPSTREAM_CLIENT: '1' } })
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const { status, body } = await sendFiles(owner, channel, [textFile('a.txt', 'content')])
  expect(status).toBe(201)
  // Both known forms of this answer have plain addresses here.
  expect(body.attachments).toEqual([expect.stringMatching(/^\/api\/v1\/cdn\/file\//)])
  const [attachment] = body.message_data.attachments
  expect(attachment).toEqual({ url: body.attachments[0], filename: 'a.txt', type: 'text/plain', size: 7 })
  expect((await fetchFile(server, attachment.url)).bytes.toString()).toBe('content')
})
