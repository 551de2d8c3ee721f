import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

interface Known {
  readonly id: string
  readonly seq: number
  readonly text: string
}

async function page(
  person: Person,
  channel: string,
  query: Record<string, string | number> = {},
): Promise<Known[]> {
  const { status, body } = await person.get(`/api/v1/channels/${channel}/load_messages`, { query })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.messages.map((message: { message_id: string; seq: number; message: string }) => ({
    id: message.message_id,
    seq: message.seq,
    text: message.message,
  }))
}

async function withMessages(
  server: TestServer,
  count: number,
): Promise<{ owner: Person; channel: string; ids: string[] }> {
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const ids: string[] = []
  for (let number = 1; number <= count; number++) ids.push(await owner.send(channel, String(number)))
  return { owner, channel, ids }
}

function range(from: number, to: number): string[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => String(from + index))
}

test('page 1 is the newest, oldest first inside; pages go back until they are empty', async () => {
  await using server = await startServer()
  const { owner, channel } = await withMessages(server, 45)
  expect(await owner.load(channel)).toEqual(range(26, 45))
  expect(await owner.load(channel, { page: 1 })).toEqual(range(26, 45))
  expect(await owner.load(channel, { page: 2 })).toEqual(range(6, 25))
  expect(await owner.load(channel, { page: 3 })).toEqual(range(1, 5))
  expect(await owner.load(channel, { page: 4 })).toEqual([])
  expect(await owner.load(channel, { page: 900 })).toEqual([])
  expect(await owner.load(await owner.createChannel('empty'))).toEqual([])
})

test('sizes of pages and their numbers are checked', async () => {
  await using server = await startServer()
  const { owner, channel } = await withMessages(server, 55)
  for (const [query, status] of [
    [{ messages_per_page: 1 }, 200],
    [{ messages_per_page: 50 }, 200],
    [{ messages_per_page: 51 }, 400],
    [{ messages_per_page: 0 }, 400],
    [{ messages_per_page: -1 }, 400],
    [{ messages_per_page: 999_999_999_999 }, 400],
    [{ messages_per_page: '1.5' }, 422],
    [{ messages_per_page: 'many' }, 422],
    [{ messages_per_page: '' }, 422],
    [{ messages_per_page: '0x10' }, 422],
    [{ messages_per_page: '1e1' }, 422],
    [{ page: 0 }, 400],
    [{ page: -3 }, 400],
    [{ page: '1.5' }, 422],
    [{ page: 'one' }, 422],
    [{ page: 999_999_999_999_999 }, 400],
    [{ page: '9'.repeat(400) }, 422],
    [{ page: 'NaN' }, 422],
    [{ page: 'Infinity' }, 422],
  ] as const) {
    const answer = await owner.get(`/api/v1/channels/${channel}/load_messages`, { query })
    expect(answer.status, JSON.stringify(query).slice(0, 60)).toBe(status)
    if (status === 400 && 'messages_per_page' in query)
      expect(answer.body.detail).toContain('messages_per_page')
  }
  expect(await owner.load(channel, { messages_per_page: 50 })).toEqual(range(6, 55))
  expect(await owner.load(channel, { messages_per_page: 1 })).toEqual(['55'])
})

describe('before, after and around', () => {
  test('a page that was read before is what it is now, whatever was sent or deleted meanwhile', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const ids: string[] = []
    for (const text of ['1', '2', '3', '4']) ids.push(await owner.send(channel, text))
    expect(await owner.load(channel, { before: '4' })).toEqual(['1', '2', '3'])
    expect(await owner.load(channel, { before: '5' })).toEqual(['1', '2', '3', '4'])
    await owner.send(channel, '5')
    expect(await owner.load(channel, { before: '4' })).toEqual(['1', '2', '3'])
    expect(await owner.load(channel, { before: '5' })).toEqual(['1', '2', '3', '4'])
    expect(await owner.load(channel, { before: '9' })).toEqual(['1', '2', '3', '4', '5'])
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: ids[1]! } })
    expect(await owner.load(channel, { before: '4' })).toEqual(['1', '3'])
    await owner.send(channel, '6')
    expect(await owner.load(channel, { before: '9' })).toEqual(['1', '3', '4', '5', '6'])
  })

  test('take a message id, a seq or a time', async () => {
    const clock = { offset: 0 }
    await using server = await startServer({ clock })
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    const messages: { id: string; at: string }[] = []
    for (let number = 1; number <= 9; number++) {
      clock.offset += 1000
      const { body } = await owner.post(`/api/v1/channels/${channel}/send_message`, {
        message: String(number),
      })
      messages.push({ id: body.message_id, at: body.message_data.sent_at })
    }
    const fifth = messages[4]!
    for (const place of [fifth.id, '5', fifth.at, fifth.at.replace('+00:00', 'Z')]) {
      expect(await owner.load(channel, { before: place })).toEqual(range(1, 4))
      expect(await owner.load(channel, { before: place, messages_per_page: 2 })).toEqual(['3', '4'])
      expect(await owner.load(channel, { around: place, messages_per_page: 4 })).toEqual(['3', '4', '5', '6'])
      expect(await owner.load(channel, { around: place, messages_per_page: 1 })).toEqual(['5'])
    }
    for (const place of [fifth.id, '5']) {
      expect(await owner.load(channel, { after: place })).toEqual(range(6, 9))
      expect(await owner.load(channel, { after: place, messages_per_page: 2 })).toEqual(['6', '7'])
    }
    // A time stands before what was sent at it.
    expect(await owner.load(channel, { after: fifth.at })).toEqual(range(5, 9))
    expect(await owner.load(channel, { after: '2099-01-01T00:00:00Z' })).toEqual([])
    expect(await owner.load(channel, { before: '2099-01-01T00:00:00Z' })).toEqual(range(1, 9))
    expect(await owner.load(channel, { before: '2001-01-01T00:00:00Z' })).toEqual([])
    expect(await owner.load(channel, { around: '2001-01-01T00:00:00Z', messages_per_page: 2 })).toEqual([
      '1',
      '2',
    ])
    expect(await owner.load(channel, { before: '0' })).toEqual([])
    expect(await owner.load(channel, { after: '0' })).toEqual(range(1, 9))
    expect(await owner.load(channel, { after: '999999999999999' })).toEqual([])
    // An empty one is none, as some clients send it.
    expect(await owner.load(channel, { before: '', after: '', around: '' })).toEqual(range(1, 9))
  })

  test('at the ends of the history give what there is', async () => {
    await using server = await startServer()
    const { owner, channel, ids } = await withMessages(server, 6)
    expect(await owner.load(channel, { before: ids[0]! })).toEqual([])
    expect(await owner.load(channel, { after: ids[5]! })).toEqual([])
    expect(await owner.load(channel, { around: ids[0]!, messages_per_page: 4 })).toEqual(['1', '2', '3', '4'])
    expect(await owner.load(channel, { around: ids[5]!, messages_per_page: 4 })).toEqual(['4', '5', '6'])
  })

  test('keep their place when the message at it is deleted', async () => {
    await using server = await startServer()
    const { owner, channel, ids } = await withMessages(server, 6)
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: ids[2] } })
    expect(await owner.load(channel, { before: ids[2]! })).toEqual(['1', '2'])
    expect(await owner.load(channel, { after: ids[2]! })).toEqual(['4', '5', '6'])
    expect(await owner.load(channel, { around: ids[2]!, messages_per_page: 4 })).toEqual(['1', '2', '4', '5'])
  })

  test('are refused together, for what is elsewhere, and for what is no place', async () => {
    await using server = await startServer()
    const { owner, channel, ids } = await withMessages(server, 3)
    const elsewhere = await owner.send(await owner.createChannel('elsewhere'), 'x')
    const path = `/api/v1/channels/${channel}/load_messages`
    for (const name of ['before', 'after', 'around']) {
      for (const id of [elsewhere, UNKNOWN]) {
        const { status, body } = await owner.get(path, { query: { [name]: id } })
        expect(status).toBe(404)
        expect(body.detail).toBe(`message_id not found: '${id}'`)
      }
      for (const [place, status] of [
        ['nonsense', 400],
        ['-1', 400],
        ['2026-99-99', 400],
        ["' or 1=1 --", 400],
        ['9'.repeat(16), 400],
        ['x'.repeat(101), 422],
      ] as const) {
        expect((await owner.get(path, { query: { [name]: place } })).status, place).toBe(status)
      }
    }
    for (const query of [
      { before: ids[1], after: ids[0] },
      { before: ids[1], around: ids[1] },
      { before: '1', after: '2', around: '3' },
    ]) {
      expect((await owner.get(path, { query })).status).toBe(400)
    }
  })
})

type Step =
  | { readonly kind: 'send'; readonly count: number }
  | { readonly kind: 'delete'; readonly which: number }

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ kind: fc.constant('delete' as const), which: fc.nat(1000) }),
  ),
  { minLength: 1, maxLength: 14 },
)

test('whatever was sent and deleted, paging of any size meets every living message once, in order', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  let number = 0
  await fc.assert(
    fc.asyncProperty(steps, fc.integer({ min: 1, max: 9 }), async (history: Step[], size) => {
      const channel = await owner.createChannel(`channel ${number++}`)
      const living: Known[] = []
      const send = async (text: string): Promise<void> => {
        const { body } = await owner.post(`/api/v1/channels/${channel}/send_message`, { message: text })
        living.push({ id: body.message_id, seq: body.message_data.seq, text })
      }
      for (const step of history) {
        if (step.kind === 'send')
          for (let count = 0; count < step.count; count++) await send(`message ${number++}`)
        else if (living.length > 0) {
          const [gone] = living.splice(step.which % living.length, 1)
          await owner.delete(`/api/v1/channels/${channel}/delete_message`, {
            query: { message_id: gone!.id },
          })
        }
      }
      const before = [...living]
      // Backwards by id, while new ones keep coming.
      const backwards: Known[] = []
      for (let got = await page(owner, channel, { messages_per_page: size }); got.length > 0;) {
        backwards.unshift(...got)
        await send(`new ${number++}`)
        got = await page(owner, channel, { messages_per_page: size, before: got[0]!.id })
      }
      expect(backwards).toEqual(before)
      // Forwards by number, from the very beginning to what is newest now.
      const forwards: Known[] = []
      for (let got = await page(owner, channel, { messages_per_page: size, after: '0' }); got.length > 0;) {
        forwards.push(...got)
        got = await page(owner, channel, { messages_per_page: size, after: String(got.at(-1)!.seq) })
      }
      expect(forwards).toEqual(living)
      // By page, as long as nothing changes.
      const paged: Known[] = []
      for (let count = 1; ; count++) {
        const got = await page(owner, channel, { messages_per_page: size, page: count })
        if (got.length === 0) break
        paged.unshift(...got)
      }
      expect(paged).toEqual(living)
    }),
    { numRuns: 12 },
  )
})

test('a page that others change meanwhile never shows what is deleted, nor anything twice', async () => {
  await using server = await startServer()
  const { owner, channel, ids } = await withMessages(server, 30)
  const deletions = ids.slice(0, 20).map(async (id) => {
    await owner.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: id } })
    const texts = await owner.load(channel, { messages_per_page: 50 })
    expect(texts).not.toContain(String(ids.indexOf(id) + 1))
    expect(new Set(texts).size).toBe(texts.length)
  })
  const sends = range(31, 45).map((text) => owner.send(channel, text))
  await Promise.all([...deletions, ...sends])
  const texts = await owner.load(channel, { messages_per_page: 50 })
  expect(texts.toSorted((a, b) => Number(a) - Number(b))).toEqual(range(21, 45))
})

test('a page shows its authors as they are now', async () => {
  await using server = await startServer()
  const { owner, channel } = await withMessages(server, 2)
  const ann = await server.person('ann')
  await ann.send(channel, 'hi')
  await ann.put('/api/v1/users/profile', { json: { new_username: 'anna' } })
  const { body } = await owner.get(`/api/v1/channels/${channel}/load_messages`)
  expect(body.messages.map(({ username }: { username: string }) => username)).toEqual([
    'owner',
    'owner',
    'anna',
  ])
})
