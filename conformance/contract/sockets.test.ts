import { describe, expect, test } from 'vitest'
import { Person } from '../support/people.ts'
import { Refused, Socket } from '../support/socket.ts'

const isMessage = (text: string) => (frame: { message?: string }) => frame.message === text

describe('sockets', () => {
  test('/ws brings the messages of every channel one may see', async () => {
    const [owner, member, outsider] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const open = await owner.createChannel()
    const closed = await owner.createChannel({ private: true, members: [member] })
    using inside = await Socket.open(`/ws?auth_token=${member.token}`)
    using outside = await Socket.open(`/ws?auth_token=${outsider.token}`)
    const secret = crypto.randomUUID()
    await owner.send(closed, secret)
    const id = await owner.send(open, `open ${secret}`)
    const frame = await outside.next(isMessage(`open ${secret}`))
    expect(frame).toMatchObject({
      message_id: id,
      sender_user_id: owner.id,
      channel_id: open,
      username: owner.username,
      attachments: [],
    })
    await inside.next(isMessage(secret))
    expect(JSON.stringify(await outside.settled())).not.toContain(`"message":"${secret}"`)
  })

  test('/ws/channels/{id} brings the messages of one channel', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const [one, other] = [await owner.createChannel(), await owner.createChannel()]
    using socket = await Socket.open(`/ws/channels/${one}?auth_token=${member.token}`)
    await owner.send(other, 'elsewhere')
    await owner.send(one, 'here')
    await socket.next(isMessage('here'))
    expect(socket.frames.some(isMessage('elsewhere'))).toBe(false)
  })

  test('the sender gets the own message too, once', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    using socket = await Socket.open(`/ws?auth_token=${owner.token}`)
    await owner.send(channel, 'mine')
    await socket.next(isMessage('mine'))
    expect((await socket.settled()).filter(isMessage('mine'))).toHaveLength(1)
  })

  test('a read confirmation marks the message, with and without its channel', async () => {
    const [owner, member] = [await Person.owner(), await Person.signUp()]
    const channel = await owner.createChannel()
    const [first, second] = [await owner.send(channel, 'first'), await owner.send(channel, 'second')]
    using socket = await Socket.open(`/ws?auth_token=${member.token}`)
    const unread = async (): Promise<number> => {
      const { body } = await member.call('GET', '/api/v1/channels/read-history')
      return body.unread_counts[channel] as number
    }
    expect(await unread()).toBe(2)
    socket.send({ type: 'read_confirmation', message_id: first })
    await expect.poll(unread).toBe(1)
    socket.send({ type: 'read_confirmation', message_id: second, channel_id: channel })
    await expect.poll(unread).toBe(0)
  })

  test('are refused without a good token, and for channels one may not see', async () => {
    const [owner, outsider] = [await Person.owner(), await Person.signUp()]
    const closed = await owner.createChannel({ private: true })
    const statusOf = async (path: string): Promise<number> => {
      try {
        using socket = await Socket.open(path)
        return await socket.closed()
      } catch (error) {
        if (error instanceof Refused) return error.status
        throw error
      }
    }
    expect(await statusOf('/ws')).toBe(401)
    expect(await statusOf('/ws?auth_token=nonsense')).toBe(401)
    expect(await statusOf(`/ws/channels/${closed}?auth_token=${outsider.token}`)).toBe(404)
    expect(await statusOf(`/ws/channels/${crypto.randomUUID()}?auth_token=${outsider.token}`)).toBe(404)
  })

  test('answer ping with pong', async () => {
    const person = await Person.signUp()
    using socket = await Socket.open(`/ws?auth_token=${person.token}`)
    expect(await socket.settled()).toContainEqual(expect.objectContaining({ type: 'pong' }))
  })
})
