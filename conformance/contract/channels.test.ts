import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess, placements } from '../support/api.ts'
import { Person } from '../support/people.ts'

const UNKNOWN = '00000000-0000-4000-8000-000000000000'

async function ids(person: Person): Promise<string[]> {
  const { body } = await person.call('POST', '/api/v1/channels/list/', { placement: 'body' })
  return body.channels.map(({ channel_id: id }: { channel_id: string }) => id)
}

describe('channels', () => {
  test('GET channels says what is there', async () => {
    expectSuccess(await call('GET', '/api/v1/channels'), 200)
  })

  test('are created by admins and owners', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const name = `gaming-${crypto.randomUUID()}`
    const create = (person: Person) =>
      person.call('POST', '/api/v1/channels/create/', {
        placement: 'body',
        json: { channel_name: name, is_private: false },
      })
    expectError(await create(member), 403)
    const answer = await create(owner)
    expectSuccess(answer, 200)
    expect(answer.body.channel_data).toMatchObject({
      channel_id: expect.any(String),
      channel_name: name,
      channel_type: 'text',
      is_private: false,
    })
    expectError(await create(owner), 409)
    expect(await ids(member)).toContain(answer.body.channel_data.channel_id)
  })

  test('answer with and without a slash at the end', async () => {
    const owner = await Person.owner()
    for (const path of ['/api/v1/channels/list', '/api/v1/channels/list/'])
      expectSuccess(await owner.call('POST', path), 200)
    for (const path of ['/api/v1/channels/create', '/api/v1/channels/create/']) {
      const json = { channel_name: crypto.randomUUID() }
      expectSuccess(await owner.call('POST', path, { json }), 200)
    }
  })

  test('that are private show to members only, wherever the token stands', async () => {
    const [owner, member, outsider] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true, members: [member] })
    expect(await ids(member)).toContain(channel)
    expect(await ids(outsider)).not.toContain(channel)
    for (const placement of placements) {
      const listed = await outsider.call('POST', '/api/v1/channels/list/', { placement })
      expectSuccess(listed, 200)
    }
  })

  test('let people in and out in the words of the reference', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true })
    const add = { query: { to_add_user_id: member.id }, placement: 'query' } as const
    const added = await owner.call('PUT', `/api/v1/channels/${channel}/add_user`, add)
    expectSuccess(added, 200)
    expect(added.body.message).toBe(`User ID: '${member.id}' added to Channel ID: '${channel}'`)
    expect(await ids(member)).toContain(channel)
    const remove = { query: { to_remove_user_id: member.id }, placement: 'query' } as const
    const removed = await owner.call('DELETE', `/api/v1/channels/${channel}/remove_user`, remove)
    expectSuccess(removed, 200)
    expect(removed.body.message).toBe(`User ID: '${member.id}' removed from Channel ID: '${channel}'`)
    expect(await ids(member)).not.toContain(channel)
    expectError(await member.call('PUT', `/api/v1/channels/${channel}/add_user`, add), 403, 404)
    const unknown = await owner.call('PUT', `/api/v1/channels/${UNKNOWN}/add_user`, add)
    expectError(unknown, 404)
    const open = await owner.createChannel()
    expectError(await owner.call('PUT', `/api/v1/channels/${open}/add_user`, add), 400)
  })

  test('are deleted by admins and owners', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel()
    const path = `/api/v1/channels/${channel}/delete`
    expectError(await member.call('DELETE', path), 403)
    expectSuccess(await owner.call('DELETE', path, { placement: 'query' }), 200)
    expect(await ids(owner)).not.toContain(channel)
    expectError(await owner.call('DELETE', path), 404)
  })
})
