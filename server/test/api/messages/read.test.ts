import { describe, expect, test } from 'vitest'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

async function two(server: TestServer): Promise<[Person, Person]> {
  return (await server.people('owner', 'ann')) as [Person, Person]
}

function mark(person: Person, channel: string, message: string) {
  return person.put(`/api/v1/channels/${channel}/mark_message_as_read`, { query: { message_id: message } })
}

function remove(person: Person, channel: string, message: string) {
  return person.delete(`/api/v1/channels/${channel}/delete_message`, { query: { message_id: message } })
}

async function history(person: Person): Promise<{ viewed: string[]; unread: Record<string, number> }> {
  const { status, body } = await person.get('/api/v1/channels/read-history')
  expect(status).toBe(200)
  return { viewed: body.viewed_message_ids, unread: body.unread_counts }
}

describe('marking as read', () => {
  test('answers in the words of the reference, by query, body or form', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const channel = await owner.createChannel('general')
    const message = await owner.send(channel, 'x')
    for (const options of [
      { query: { message_id: message } },
      { json: { message_id: message } },
      { urlencoded: { message_id: message } },
      { form: { message_id: message } },
    ]) {
      const { status, body } = await ann.put(`/api/v1/channels/${channel}/mark_message_as_read`, options)
      expect(status).toBe(201)
      expect(body).toEqual({ status_code: 201, message: 'The message_id was successfully marked as read' })
    }
    expect((await ann.put(`/api/v1/channels/${channel}/mark_message_as_read`)).status).toBe(422)
  })

  test('takes what came before along, never goes back, and is for the caller only', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const bob = await server.person('bob')
    const channel = await owner.createChannel('general')
    const ids: string[] = []
    for (let count = 0; count < 6; count++) ids.push(await owner.send(channel, String(count)))
    expect(await history(ann)).toEqual({ viewed: [], unread: { [channel]: 6 } })
    await mark(ann, channel, ids[3]!)
    expect((await history(ann)).unread).toEqual({ [channel]: 2 })
    expect((await history(ann)).viewed.toSorted()).toEqual(ids.slice(0, 4))
    await mark(ann, channel, ids[1]!)
    expect((await history(ann)).unread).toEqual({ [channel]: 2 })
    await Promise.all(ids.toReversed().map((id) => mark(ann, channel, id)))
    expect((await history(ann)).unread).toEqual({ [channel]: 0 })
    expect(await history(bob)).toEqual({ viewed: [], unread: { [channel]: 6 } })
  })

  test('of what is unknown, deleted or in another channel is refused and changes nothing', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const [one, other] = [await owner.createChannel('one'), await owner.createChannel('other')]
    const message = await owner.send(one, 'x')
    const deleted = await owner.send(one, 'y')
    await remove(owner, one, deleted)
    for (const id of [UNKNOWN, deleted, 'nonsense', 'connection']) {
      const { status, body } = await mark(ann, one, id)
      expect(status, id).toBe(404)
      expect(body.detail).toBe(`message_id not found: '${id}'`)
    }
    const mismatch = await mark(ann, other, message)
    expect(mismatch.status).toBe(404)
    expect(mismatch.body.detail).toContain('message_id')
    expect((await mark(ann, UNKNOWN, message)).status).toBe(404)
    expect((await history(ann)).unread).toEqual({ [one]: 1, [other]: 0 })
  })
})

describe('the read history', () => {
  test('counts what others said since; what one writes, one has read', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const channel = await owner.createChannel('general')
    await owner.send(channel, '1')
    await owner.send(channel, '2')
    expect((await history(ann)).unread).toEqual({ [channel]: 2 })
    expect((await history(owner)).unread).toEqual({ [channel]: 0 })
    const own = await ann.send(channel, '3')
    expect((await history(ann)).unread).toEqual({ [channel]: 0 })
    expect((await history(ann)).viewed).toContain(own)
    expect((await history(owner)).unread).toEqual({ [channel]: 1 })
  })

  test('leaves deleted messages out, read or not', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const channel = await owner.createChannel('general')
    const ids: string[] = []
    for (let count = 0; count < 8; count++) ids.push(await owner.send(channel, String(count)))
    await mark(ann, channel, ids[3]!)
    for (const index of [1, 3, 5, 7]) await remove(owner, channel, ids[index]!)
    expect((await history(ann)).unread).toEqual({ [channel]: 2 })
    expect((await history(ann)).viewed.toSorted()).toEqual([ids[0], ids[2]])
    for (const index of [4, 6]) await remove(owner, channel, ids[index]!)
    expect((await history(ann)).unread).toEqual({ [channel]: 0 })
    await owner.send(channel, 'new')
    expect((await history(ann)).unread).toEqual({ [channel]: 1 })
  })

  test('shows the channels one may see, and the newest 50 read of each', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const open = await owner.createChannel('open')
    const hidden = await owner.createChannel('hidden', { private: true })
    const shared = await owner.createChannel('shared', { private: true, members: [ann] })
    const ids: string[] = []
    for (let count = 0; count < 60; count++) ids.push(await owner.send(open, String(count)))
    await owner.send(hidden, 'x')
    await owner.send(shared, 'x')
    await mark(ann, open, ids[57]!)
    const { viewed, unread } = await history(ann)
    expect(unread).toEqual({ [open]: 2, [shared]: 1 })
    expect(viewed.toSorted()).toEqual(ids.slice(8, 58))
    expect((await request(server, 'GET', '/api/v1/channels/read-history')).status).toBe(401)
  })
})

describe('deleting a message', () => {
  test('is for its author and for those with the right to, and leaves nothing to read', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const bob = await server.person('bob')
    const channel = await owner.createChannel('general')
    const [anns, owners, bobs] = [
      await ann.send(channel, 'a'),
      await owner.send(channel, 'o'),
      await bob.send(channel, 'b'),
    ]
    for (const id of [owners, bobs]) {
      const { status, body } = await remove(ann, channel, id)
      expect(status).toBe(403)
      expect(body.detail).toEqual(expect.any(String))
    }
    expect(await ann.load(channel)).toEqual(['a', 'o', 'b'])
    const own = await remove(ann, channel, anns)
    expect(own.status).toBe(204)
    expect(own.text).toBe('')
    expect((await remove(owner, channel, bobs)).status).toBe(204)
    expect(await ann.load(channel)).toEqual(['o'])
    for (const person of [ann, owner]) {
      const again = await remove(person, channel, anns)
      expect(again.status).toBe(404)
      expect(again.body.detail).toBe(`message_id not found: '${anns}'`)
    }
  })

  test('takes the id by query, body or form, and needs one', async () => {
    await using server = await startServer()
    const [owner] = await two(server)
    const channel = await owner.createChannel('general')
    const path = `/api/v1/channels/${channel}/delete_message`
    for (const place of ['query', 'json', 'urlencoded', 'form'] as const) {
      const message_id = await owner.send(channel, place)
      expect((await owner.delete(path, { [place]: { message_id } })).status, place).toBe(204)
    }
    expect((await owner.delete(path)).status).toBe(422)
    expect((await owner.delete(path, { query: { message_id: '' } })).status).toBe(422)
    expect((await owner.delete(path, { query: { message_id: 'connection' } })).status).toBe(404)
    expect(await owner.load(channel)).toEqual([])
  })

  test('by way of another channel, or of one that is hidden, is refused', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const [one, other] = [await owner.createChannel('one'), await owner.createChannel('other')]
    const hidden = await owner.createChannel('hidden', { private: true, members: [ann] })
    const message = await ann.send(one, 'x')
    const secret = await ann.send(hidden, 'mine')
    expect((await remove(ann, other, message)).status).toBe(404)
    expect((await remove(owner, hidden, message)).status).toBe(404)
    await owner.removeMember(hidden, ann)
    // One's own, but out of reach.
    expect((await remove(ann, hidden, secret)).status).toBe(404)
    expect((await remove(ann, one, secret)).status).toBe(404)
    expect(await owner.load(hidden)).toEqual(['mine'])
  })

  test('many times at once succeeds once and is told once', async () => {
    await using server = await startServer()
    const [owner, ann] = await two(server)
    const channel = await owner.createChannel('general')
    using socket = await ann.connect()
    const message = await ann.send(channel, 'x')
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => remove(index % 2 === 0 ? owner : ann, channel, message)),
    )
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(11)
    expect((await socket.settled()).filter(({ type }) => type === 'message_deleted')).toHaveLength(1)
  })

  test('with the switch for the upstream client answers 200 with a body', async () => {
    await using server = await startServer({ env: { COMPAT_UPSTREAM_CLIENT: 'true' } })
    const [owner] = await two(server)
    const channel = await owner.createChannel('general')
    const { status, body } = await remove(owner, channel, await owner.send(channel, 'x'))
    expect(status).toBe(200)
    expect(body).toEqual({ status_code: 204, message: 'The message has been deleted successfully' })
  })
})
