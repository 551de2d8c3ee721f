import { expect, test } from 'vitest'
import { conversationsOf, loadDms, tryDm } from '#test/direct.ts'
import { badRequest } from '#http/errors.ts'
import { startServer } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

test('people on other servers are reached by whoever can reach them', async () => {
  await using server = await startServer()
  const [ann, eve] = await server.people('ann', 'eve')
  await runSql(server, `update "user" set origin_server = 'chat.example' where id = '${eve!.id}'`)
  const remote = {
    userId: eve!.id,
    username: 'eve',
    actorUri: 'https://chat.example/ap/users/7',
    deliveryTarget: 'https://chat.example/ap/inbox',
  }
  // Until somebody reaches them, they are not taken for people of this server.
  expect(await tryDm(ann!, eve!)).toMatchObject({ status: 400 })
  const delivered: unknown[] = []
  const retracted: unknown[] = []
  server.ctx.conversations.connect({
    resolve: async (address) => {
      if (address !== remote.actorUri && address !== '@eve@chat.example')
        throw badRequest(`unknown: ${address}`)
      return remote
    },
    find: async (userId) => (userId === remote.userId ? remote : undefined),
    deliver: async (tx, message, participantIds) => {
      // Within the transaction: the conversation is there, whatever becomes of the message.
      const rows = await tx
        .selectFrom('conversation')
        .select('kind')
        .where('channel_id', '=', message.channelId)
        .execute()
      delivered.push({ ...rows[0], text: message.text, participantIds: participantIds.toSorted() })
    },
    retract: async (_tx, { id, senderId }) => void retracted.push({ id, senderId }),
    revise: async () => {},
    noteRead: async () => {},
    cut: async () => {},
    activityIdOf: (messageId) => `https://here.example/ap/activities/${messageId}`,
  })
  // Whoever asks not to be written to is protected by their own server, not by this one.
  await eve!.put('/api/v1/dms/settings', { json: { accept_from: 'nobody' } })

  for (const peer of [remote.actorUri, '@eve@chat.example', eve!.id]) {
    const { status, body } = await tryDm(ann!, peer)
    expect({ status, result: body.result }).toEqual({
      status: 201,
      result: {
        conversation_id: expect.stringMatching(/^dm-/),
        message_id: expect.any(String),
        delivered_local: false,
        delivered_remote: true,
        activity_id: `https://here.example/ap/activities/${body.result.message_id}`,
        delivery_target: remote.deliveryTarget,
      },
    })
  }
  const { conversation_id } = (await conversationsOf(ann!))[0]
  await ann!.send(conversation_id, 'by the channel')
  const participantIds = [ann!.id, eve!.id].toSorted()
  expect(delivered).toEqual(
    ['hello', 'hello', 'hello', 'by the channel'].map((text) => ({ kind: 'direct', text, participantIds })),
  )
  expect(await ann!.get('/api/v1/dms/messages', { query: { peer: remote.actorUri } })).toMatchObject({
    body: { peer_actor_uri: remote.actorUri, conversation_id },
  })
  expect(await loadDms(ann!, eve!)).toHaveLength(4)
  const { body } = await ann!.get('/api/v1/dms/messages', { query: { peer: eve!.id } })
  expect(body.messages[0]).toMatchObject({ federated: false })
  const { message_id } = body.messages[0]
  await ann!.delete(`/api/v1/channels/${conversation_id}/delete_message`, { query: { message_id } })
  expect(retracted).toEqual([{ id: message_id, senderId: ann!.id }])
  await eve!.send(conversation_id, 'from afar')
  expect(
    (await ann!.get('/api/v1/dms/messages', { query: { peer: eve!.id } })).body.messages.at(-1),
  ).toMatchObject({
    message: 'from afar',
    federated: true,
  })
  expect(await tryDm(ann!, '@nobody@chat.example')).toMatchObject({
    status: 400,
    body: { detail: 'unknown: @nobody@chat.example' },
  })
  expect(await ann!.post('/api/v1/dms/groups', { participants: [remote.actorUri] })).toMatchObject({
    status: 400,
  })
})
