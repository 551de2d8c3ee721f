import { describe, expect, test } from 'vitest'
import { request } from '#test/http.ts'
import { find } from '#test/search.ts'
import { startServer } from '#test/server.ts'

const DAY = 24 * 3600 * 1000

test('finds words, their other forms, phrases, and leaves out what is not wanted; newest first', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const texts = [
    'Penguins swim; they do not fly.',
    'A penguin in the ZOO',
    'not they do',
    'Crème brûlée at the Café',
    'Straßenfest in Łódź',
    '東京タワーへ行きました',
    '京',
    'see https://example.org/zoo 🎉',
    '"; drop table message; -- *',
  ]
  for (const text of texts) await owner.send(channel, text)
  const [swim, zoo, not, creme, fest, tower, single, link, evil] = texts
  for (const [q, ...found] of [
    ['penguin', zoo, swim],
    ['PENGUINS', zoo, swim],
    ['"penguin"', zoo],
    ['penguin swim', swim],
    ['swim -zoo penguins', swim],
    ['zoo -penguin', link],
    ['do not', not, swim],
    ['"do not"', swim],
    ['they-do', not, swim],
    ['penguin -"do not"', zoo],
    ['creme BRULEE', creme],
    ['cafe\u0301', creme],
    ['strassenfest lodz', fest],
    ['京', single, tower],
    ['東京', tower],
    ['タワー', tower],
    ['京東'],
    ['🎉', link],
    ['has:link', link],
    ['zoo -has:link', zoo],
    ['drop table', evil],
    ['"table message"', evil],
    ['pen'],
    ['message OR penguin'],
    ['peng*'],
  ] as const) {
    expect(await find(owner, q), q).toEqual(found)
    if (Array.from(q).length > 1)
      expect(await find(owner, q, { channel }), `${q} in the channel`).toEqual(found)
  }
})

test('from:, in: and dates narrow a search down, by name or id', async () => {
  const clock = { offset: Date.UTC(2027, 0, 1, 12) - Date.now() }
  await using server = await startServer({ clock })
  const [owner, ann] = await server.people('owner', 'ann')
  const general = await owner!.createChannel('general')
  const two = await owner!.createChannel('Two Words')
  await owner!.send(general, 'hello first')
  clock.offset += 31 * DAY
  for (const person of [owner!, ann!]) person.token = (await person.signIn()).token
  await ann!.send(two, 'hello second')
  clock.offset += 9 * DAY
  for (const person of [owner!, ann!]) person.token = (await person.signIn()).token
  await ann!.send(general, 'hello third')
  for (const [q, ...found] of [
    ['hello', 'third', 'second', 'first'],
    ['from:ann', 'third', 'second'],
    ['hello from:@ANN', 'third', 'second'],
    [`from:${owner!.id}`, 'first'],
    ['hello from:me', 'third', 'second'],
    ['hello -from:ann', 'first'],
    ['hello from:ann from:owner', 'third', 'second', 'first'],
    ['hello from:nobody'],
    ['hello -from:nobody', 'third', 'second', 'first'],
    ['in:#General', 'third', 'first'],
    ['hello in:"two words"', 'second'],
    [`hello in:${two}`, 'second'],
    ['hello -in:general', 'second'],
    ['hello in:nowhere'],
    ['hello before:2027-02', 'first'],
    ['hello after:2027-01', 'third', 'second'],
    ['hello on:2027-02-01', 'second'],
    ['hello on:2027', 'third', 'second', 'first'],
    ['hello after:2027-01-01 before:2027-02-10', 'second'],
    ['hello after:2027-02-01', 'third'],
    ['hello before:2027'],
    ['hello after:2027'],
  ] as const) {
    expect(await find(ann!, q), q).toEqual(found.map((text) => `hello ${text}`))
  }
})

test('files are found by what they are and by their names', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const form = new FormData()
  form.set('message', 'look at this')
  form.append('attachments', new Blob(['hello'], { type: 'text/plain' }), 'Quarterly-Report.txt')
  const sent = await request(server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    token: owner.token,
    form,
  })
  expect(sent.status, sent.text).toBe(201)
  await owner.send(channel, 'look, nothing')
  for (const [q, ...found] of [
    ['look', 'look, nothing', 'look at this'],
    ['look has:file', 'look at this'],
    ['look -has:file', 'look, nothing'],
    ['has:image'],
    ['"quarterly report"', 'look at this'],
  ] as const) {
    expect(await find(owner, q), q).toEqual(found)
  }
})

test('direct messages are found by the two who write them, and by nobody else', async () => {
  await using server = await startServer()
  const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
  const { status, text } = await ann!.post('/api/v1/dms/send', { peer: 'bob', message: 'between us' })
  expect(status, text).toBe(201)
  expect(await find(ann!, 'between')).toEqual(['between us'])
  expect(await find(bob!, 'from:ann')).toEqual(['between us'])
  expect(await find(owner!, 'between')).toEqual([])
})

test('pages follow each other without a gap, whatever is sent or deleted meanwhile', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const ids: string[] = []
  for (let i = 0; i < 7; i++) ids.push(await owner.send(channel, `word ${i}`))
  const page = async (cursor?: string) => {
    const { body } = await owner.get('/api/v1/search', {
      query: { q: 'word', limit: 3, ...(cursor !== undefined && { cursor }) },
    })
    return {
      texts: body.messages.map(({ message }: { message: string }) => message),
      cursor: body.next_cursor as string,
    }
  }
  const first = await page()
  expect(first.texts).toEqual(['word 6', 'word 5', 'word 4'])
  await owner.send(channel, 'word of today')
  // The message that the cursor names is gone.
  await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: ids[4] } })
  const second = await page(first.cursor)
  expect(second.texts).toEqual(['word 3', 'word 2', 'word 1'])
  expect(await page(second.cursor)).toEqual({ texts: ['word 0'], cursor: null })
  expect((await page()).texts).toEqual(['word of today', 'word 6', 'word 5'])
})

test('the answer of a channel has what known clients look for', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const id = await owner.send(channel, 'Hello everyone')
  const loaded = await owner.get(`/api/v1/channels/${channel}/load_messages`)
  const { status, body } = await owner.get(`/api/v1/channels/${channel}/search`, {
    query: { q: ' hello ', limit: 50, scan_limit: 5000 },
  })
  expect(status).toBe(200)
  expect(body).toEqual({
    status_code: 200,
    messages: loaded.body.messages,
    query: 'hello',
    scanned: 1,
    truncated_scan: false,
    next_cursor: null,
  })
  expect(body.messages[0].message_id).toBe(id)
  const everywhere = await owner.get('/api/v1/search', { query: { q: 'hello' } })
  expect(everywhere.body).toEqual({
    status_code: 200,
    messages: loaded.body.messages,
    query: 'hello',
    next_cursor: null,
    complete: true,
  })
})

test('what is out of range or makes no sense is refused, and why', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  for (const [query, detail] of [
    [{ q: '' }, 'q must have'],
    [{ q: ' x ' }, 'q must have 2 to 256 characters'],
    [{ q: 'x'.repeat(257) }, 'q must have'],
    [{ q: 'xx', limit: 0 }, 'limit must be from 1 to 50'],
    [{ q: 'xx', limit: 51 }, 'limit must be from 1 to 50'],
    [{ q: 'xx', scan_limit: 0 }, 'scan_limit must be from 1 to 5000'],
    [{ q: 'xx', scan_limit: 5001 }, 'scan_limit must be from 1 to 5000'],
    [{ q: 'xx', cursor: 'zzz' }, 'The cursor is none of a search'],
    [{ q: 'before:soon' }, 'before: takes a date'],
    [{ q: 'has:everything' }, 'has: takes one of'],
  ] as const) {
    const { status, body } = await owner.get(`/api/v1/channels/${channel}/search`, { query })
    expect(status, JSON.stringify(query)).toBe(400)
    expect(body.detail).toContain(detail)
  }
})

test('a search for nothing is refused', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  for (let i = 0; i < 9; i++) await owner.createChannel(`channel ${i}`)
  for (const q of ['!?', '-word', 'before:2026', '-from:owner -in:general']) {
    const { status, body } = await owner.get('/api/v1/search', { query: { q } })
    expect(status, q).toBe(400)
    expect(body.detail).toContain('nothing to search for')
  }
})

describe('who sees what', () => {
  test('only what one may see is found: as long as one may, and at once when one may', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
    const open = await owner!.createChannel('open')
    const secret = await owner!.createChannel('secret', { private: true, members: [ann!] })
    await owner!.send(open, 'plan A')
    await owner!.send(secret, 'plan B')
    expect(await find(owner!, 'plan')).toEqual(['plan B', 'plan A'])
    expect(await find(ann!, 'plan')).toEqual(['plan B', 'plan A'])
    expect(await find(bob!, 'plan')).toEqual(['plan A'])
    expect(await find(bob!, 'plan in:secret')).toEqual([])
    expect(await find(bob!, `plan in:${secret}`)).toEqual([])
    expect(await find(bob!, 'from:owner')).toEqual(['plan A'])
    await owner!.addMember(secret, bob!)
    await owner!.removeMember(secret, ann!)
    expect(await find(bob!, 'plan')).toEqual(['plan B', 'plan A'])
    expect(await find(ann!, 'plan')).toEqual(['plan A'])
    await owner!.delete(`/api/v1/channels/${open}/delete`)
    expect(await find(owner!, 'plan')).toEqual(['plan B'])
    expect(await find(ann!, 'plan')).toEqual([])
  })

  test('somebody who sees very little among a lot finds it all the same', async () => {
    await using server = await startServer()
    const [owner, ann] = await server.people('owner', 'ann')
    const secret = await owner!.createChannel('secret', { private: true })
    const channels: string[] = []
    for (let i = 0; i < 9; i++) channels.push(await owner!.createChannel(`open ${i}`))
    await owner!.send(channels[3]!, 'word 0')
    await Promise.all(Array.from({ length: 60 }, () => owner!.send(secret, 'word in secret')))
    expect(await find(ann!, 'word')).toEqual(['word 0'])
    expect(await find(ann!, 'word from:owner after:2020')).toEqual(['word 0'])
  })

  test('a deleted message is not found any more', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const id = await owner.send(channel, 'regrettable')
    expect(await find(owner, 'regrettable')).toEqual(['regrettable'])
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: id } })
    expect(await find(owner, 'regrettable')).toEqual([])
  })
})

test('more searches of one person than a few at once are refused, and none afterwards', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  await owner.send(await owner.createChannel('general'), 'word')
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => owner.get('/api/v1/search', { query: { q: 'word' } })),
  )
  const statuses = new Set(answers.map(({ status }) => status))
  expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([])
  for (const { status, headers } of answers) if (status === 503) expect(headers.get('retry-after')).toBe('1')
  expect(await find(owner, 'word')).toEqual(['word'])
})
