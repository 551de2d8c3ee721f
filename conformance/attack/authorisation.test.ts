import { describe, expect, test } from 'vitest'
import type { Answer } from '../support/api.ts'
import { Person } from '../support/people.ts'
import { exchange, statusesIn } from '../support/raw.ts'
import { Refused, Socket } from '../support/socket.ts'

/** Not `..`, which URLs of clients resolve: it has a test of its own. */
const MALFORMED = ['0', 'null', '%00', "' or 1=1 --", '{"$ne":null}', 'x'.repeat(300)]

/** Everything about a channel that somebody can try with its id alone. */
function attempts(person: Person, channel: string, message: string, user: string): Promise<Answer>[] {
  const path = `/api/v1/channels/${encodeURIComponent(channel)}`
  return [
    person.call('GET', `${path}/load_messages`),
    person.call('GET', `${path}/load_messages`, { query: { around: message } }),
    person.call('GET', `${path}/load_messages`, { query: { before: message, messages_per_page: 50 } }),
    person.call('POST', `${path}/send_message`, { form: { message: 'let me in' } }),
    person.call('PUT', `${path}/mark_message_as_read`, { query: { message_id: message } }),
    person.call('DELETE', `${path}/delete_message`, { query: { message_id: message } }),
    person.call('POST', `${path}/messages/${message}/reactions`, { query: { emoji: 'x' } }),
    person.call('GET', `${path}/search`, { query: { q: 'secret' } }),
    person.call('POST', `${path}/join-audio`),
    person.call('GET', `${path}/audio-status`),
    person.call('PUT', `${path}/add_user`, { query: { to_add_user_id: user } }),
    person.call('DELETE', `${path}/remove_user`, { query: { to_remove_user_id: user } }),
    person.call('DELETE', `${path}/delete`),
  ]
}

describe('objects of others by their id (CWE-639)', () => {
  test('a hidden channel answers like one that there is not [Synapse CVE-2021-39163]', async () => {
    const [owner, outsider] = [await Person.owner(), await Person.signUp()]
    const hidden = await owner.createChannel({ private: true })
    const message = await owner.send(hidden, 'a secret')
    const missing = crypto.randomUUID()
    const [toHidden, toMissing] = [
      await Promise.all(attempts(outsider, hidden, message, outsider.id)),
      await Promise.all(attempts(outsider, missing, crypto.randomUUID(), outsider.id)),
    ]
    for (const [index, answer] of toHidden.entries()) {
      const other = toMissing[index]!
      const neutral = ({ text }: Answer) =>
        text
          .replaceAll(hidden, 'ID')
          .replaceAll(missing, 'ID')
          .replaceAll(/[0-9a-f-]{36}/g, 'ID')
      expect([answer.status, neutral(answer)]).toEqual([other.status, neutral(other)])
      expect([401, 403, 404]).toContain(answer.status)
    }
    expect(await owner.load(hidden)).toEqual(['a secret'])
  })

  test('a message is not read by way of another channel', async () => {
    const [owner, outsider] = [await Person.owner(), await Person.signUp()]
    const [hidden, open] = [await owner.createChannel({ private: true }), await owner.createChannel()]
    const message = await owner.send(hidden, 'a secret')
    for (const name of ['before', 'after', 'around']) {
      const answer = await outsider.call('GET', `/api/v1/channels/${open}/load_messages`, {
        query: { [name]: message },
      })
      expect([400, 404]).toContain(answer.status)
    }
    const removed = await outsider.call('DELETE', `/api/v1/channels/${open}/delete_message`, {
      query: { message_id: message },
    })
    expect([401, 403, 404]).toContain(removed.status)
    const marked = await outsider.call('PUT', `/api/v1/channels/${open}/mark_message_as_read`, {
      query: { message_id: message },
    })
    expect(marked.status).toBe(404)
    expect(await owner.load(hidden)).toEqual(['a secret'])
  })

  test('paging never gives more than it should [Stoat GHSA-h7h6-7pxm-mc66]', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    for (let number = 0; number < 60; number++) await owner.send(channel, String(number))
    for (const messages_per_page of [51, 1000, 1e9, -1, 0]) {
      const answer = await owner.call('GET', `/api/v1/channels/${channel}/load_messages`, {
        query: { messages_per_page },
      })
      expect([400, 422], String(messages_per_page)).toContain(answer.status)
    }
  })

  test('malformed ids are 4xx', async () => {
    const person = await Person.signUp()
    for (const id of MALFORMED) {
      for (const answer of await Promise.all(attempts(person, id, encodeURIComponent(id), id))) {
        expect(answer.status, `${id}: ${answer.text.slice(0, 200)}`).toBeGreaterThanOrEqual(400)
        expect(answer.status, `${id}: ${answer.text.slice(0, 200)}`).toBeLessThan(500)
      }
      const profile = await person.call('POST', '/api/v1/users/profile', { json: { user_id: id } })
      expect(profile.status).toBe(404)
    }
  })

  test.each(['..', '%2e%2e', '..%2f..', '.'])('%s as an id leads nowhere (CWE-22)', async (id) => {
    const { token } = await Person.signUp()
    for (const path of [`channels/${id}/load_messages`, `channels/${id}/search?q=secret`]) {
      const { said } = await exchange(
        `GET /api/v1/${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      )
      expect(statusesIn(said), path).toEqual([404])
    }
  })
})

describe('losing access (CWE-613)', () => {
  test('of a channel takes it from open sockets at once [Synapse CVE-2024-53867]', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true, members: [member] })
    using everything = await Socket.open(`/ws?auth_token=${member.token}`)
    using one = await Socket.open(`/ws/channels/${channel}?auth_token=${member.token}`)
    await owner.send(channel, 'for members')
    await everything.next(({ message }) => message === 'for members')
    await owner.call('DELETE', `/api/v1/channels/${channel}/remove_user`, {
      query: { to_remove_user_id: member.id },
    })
    await owner.send(channel, 'not any more')
    await one.closed()
    expect(JSON.stringify(await everything.settled())).not.toContain('not any more')
    expect(JSON.stringify(one.frames)).not.toContain('not any more')
  })

  test('while a socket is away does not show on its return', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true, members: [member] })
    let cursor: string
    {
      using socket = await Socket.open(`/ws?auth_token=${member.token}&resume=now`)
      cursor = (await socket.next(({ type }) => type === 'ready')).cursor
    }
    await owner.send(channel, 'said while away')
    await owner.call('DELETE', `/api/v1/channels/${channel}/remove_user`, {
      query: { to_remove_user_id: member.id },
    })
    try {
      using socket = await Socket.open(`/ws?auth_token=${member.token}&resume=${encodeURIComponent(cursor)}`)
      expect(JSON.stringify(await socket.settled())).not.toContain('said while away')
    } catch (error) {
      if (!(error instanceof Refused)) throw error
    }
  })
})

describe('rights (CWE-269)', () => {
  test('nobody makes themselves more than they are [Mattermost CVE-2025-53971]', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const tries = [
      () => member.call('PUT', `/api/v1/system/users/${member.id}/roles`, { json: { roles_ids: ['owner'] } }),
      () =>
        member.call('PUT', '/api/v1/users/profile', {
          json: { about: 'x', roles_ids: ['owner'], is_owner: true },
        }),
      () =>
        member.call('POST', '/api/v1/system/roles', {
          json: { role_name: 'boss', privileges_ids: ['ban_users'] },
        }),
      () =>
        member.call('PUT', '/api/v1/system/roles/user', {
          json: { role_name: 'user', privileges_ids: ['ban_users'] },
        }),
      () => member.call('POST', `/api/v1/moderation/users/${owner.id}/ban`, { json: { reason: 'coup' } }),
    ]
    for (const attempt of tries) await attempt()
    const { body } = await member.call('POST', '/api/v1/users/profile')
    expect(body.user_data.roles_ids).toEqual(['user'])
    expect(
      (await member.call('POST', '/api/v1/channels/create/', { json: { channel_name: 'x' } })).status,
    ).toBe(403)
    expect((await owner.call('POST', '/api/v1/users/profile')).status).toBe(200)
  })

  test('extra fields at sign-up make nobody an owner (mass assignment, CWE-915)', async () => {
    const { call } = await import('../support/api.ts')
    const username = `mass-${crypto.randomUUID().slice(0, 13)}`
    const answer = await call('POST', '/api/v1/users/signup', {
      json: {
        username,
        password: crypto.randomUUID(),
        roles_ids: ['owner'],
        is_admin: true,
        user_id: crypto.randomUUID(),
      },
    })
    expect([201, 422]).toContain(answer.status)
    if (answer.status !== 201) return
    const { body } = await call('POST', '/api/v1/users/profile', { token: answer.body.auth_token })
    expect(body.user_data.roles_ids).toEqual(['user'])
  })
})
