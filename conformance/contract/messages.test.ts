import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { call, expectError, expectSuccess, placements } from '../support/api.ts'
import { Person } from '../support/people.ts'

describe('messages', () => {
  test('are sent as a form with the token in any place, and answered with 201', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    for (const placement of placements) {
      const answer = await owner.call('POST', `/api/v1/channels/${channel}/send_message`, {
        placement,
        form: { message: `by ${placement}` },
      })
      expectSuccess(answer, 201)
      expect(answer.body).toMatchObject({
        message: 'message sent successfully',
        message_id: expect.any(String),
        attachments: [],
      })
    }
    expect(await owner.load(channel)).toEqual(placements.map((placement) => `by ${placement}`))
  })

  test('load in the shape of the reference', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const id = await owner.send(channel, 'Hello everyone!')
    const answer = await owner.call('GET', `/api/v1/channels/${channel}/load_messages`, {
      placement: 'query',
      query: { page: 1, messages_per_page: 20 },
    })
    expectSuccess(answer, 200)
    expect(answer.body.messages).toEqual([
      expect.objectContaining({
        message_id: id,
        sender_user_id: owner.id,
        channel_id: channel,
        message: 'Hello everyone!',
        hashed_message: createHash('sha256').update('Hello everyone!').digest('hex'),
        username: owner.username,
        sent_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*(\+00:00|Z)$/),
        attachments: [],
      }),
    ])
  })

  test('page 1 is the newest page, oldest first inside it', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    for (let number = 1; number <= 5; number++) await owner.send(channel, String(number))
    const page = async (number: number): Promise<string[]> => {
      const { body } = await owner.call('GET', `/api/v1/channels/${channel}/load_messages`, {
        query: { page: number, messages_per_page: 2 },
      })
      return body.messages.map(({ message }: { message: string }) => message)
    }
    expect([await page(1), await page(2), await page(3), await page(4)]).toEqual([
      ['4', '5'],
      ['2', '3'],
      ['1'],
      [],
    ])
    const load = (query: Record<string, number>) =>
      owner.call('GET', `/api/v1/channels/${channel}/load_messages`, { query })
    const tooLarge = await load({ messages_per_page: 51 })
    expectError(tooLarge, 400)
    expect(tooLarge.body.detail).toContain('messages_per_page')
    expectError(await load({ page: 0 }), 400)
  })

  test('carry files, which are links in the message and in the answer', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const note = new File(['some notes'], 'notes.txt', { type: 'text/plain' })
    const list = new File(['a list'], 'list.txt', { type: 'text/plain' })
    const answer = await owner.call('POST', `/api/v1/channels/${channel}/send_message`, {
      placement: 'body',
      form: { message: 'two files', attachments: [note, list] },
    })
    expectSuccess(answer, 201)
    expect(answer.body.attachments).toHaveLength(2)
    for (const url of answer.body.attachments) expect(url).toMatch(/^\/api\/v1\/cdn\/file\//)
    const alone = await owner.call('POST', `/api/v1/channels/${channel}/send_message`, {
      form: { attachments: note },
    })
    expectSuccess(alone, 201)
    const { body } = await owner.call('GET', `/api/v1/channels/${channel}/load_messages`)
    expect(body.messages[0].attachments).toHaveLength(2)
    const served = await call('GET', body.messages[0].attachments[0], { token: owner.token })
    expect([served.status, served.text]).toEqual([200, 'some notes'])
  })

  test('that are empty, or in a channel that there is not, are refused', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const send = (id: string, message: string) =>
      owner.call('POST', `/api/v1/channels/${id}/send_message`, { form: { message } })
    expectError(await send(channel, ''), 400)
    expectError(await send(channel, '   '), 400)
    expectError(await send(crypto.randomUUID(), 'hello'), 404)
    expect(await owner.load(channel)).toEqual([])
  })

  test('are marked as read with status 201', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel()
    const id = await owner.send(channel, 'read me')
    const answer = await member.call('PUT', `/api/v1/channels/${channel}/mark_message_as_read`, {
      placement: 'query',
      query: { message_id: id },
    })
    expectSuccess(answer, 201)
    expect(answer.body.message).toBe('The message_id was successfully marked as read')
    const unknown = await member.call('PUT', `/api/v1/channels/${channel}/mark_message_as_read`, {
      query: { message_id: crypto.randomUUID() },
    })
    expectError(unknown, 404)
  })

  test('are deleted by their author and by admins with 204', async () => {
    const [owner, author, other] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const channel = await owner.createChannel()
    const [first, second] = [await author.send(channel, 'first'), await author.send(channel, 'second')]
    const remove = (person: Person, id: string) =>
      person.call('DELETE', `/api/v1/channels/${channel}/delete_message`, {
        placement: 'query',
        query: { message_id: id },
      })
    expectError(await remove(other, first), 401, 403)
    expect((await remove(author, first)).status).toBe(204)
    expect((await remove(owner, second)).status).toBe(204)
    expectError(await remove(owner, second), 404)
    expect(await owner.load(channel)).toEqual([])
  })
})
