import { expect, test } from 'vitest'
import { conversationsOf, sendDm, tryDm } from '#test/direct.ts'
import { federatedPerson, startFederated } from '#test/federated.ts'
import { formOf } from '#test/files.ts'
import { request } from '#test/http.ts'
import { FakePeer } from '#test/peer.ts'
import type { Person } from '#test/person.ts'
import type { TestServer } from '#test/server.ts'
import { dumpTables } from '#test/sql.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

const actorOf = (server: { url: string }, person: Person): string => `${server.url}/ap/users/${person.id}`

async function messagesWith(person: Person, peer: string) {
  const { status, body } = await person.get('/api/v1/dms/messages', { query: { peer } })
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

async function pair(
  clock = { offset: 0 },
): Promise<AsyncDisposable & { a: TestServer; b: TestServer; ann: Person; bob: Person; bobHandle: string }> {
  const a = await startFederated({ clock })
  const b = await startFederated({ clock, env: { HOST: '127.0.0.2' } })
  const [ann, bob] = [await federatedPerson(a, 'ann'), await federatedPerson(b, 'bob')]
  return {
    a,
    b,
    ann,
    bob,
    bobHandle: `bob@${new URL(b.url).host}`,
    [Symbol.asyncDispose]: async () => {
      await a[Symbol.asyncDispose]()
      await b[Symbol.asyncDispose]()
    },
  }
}

test('people of two servers write to each other as if they were on one', async () => {
  await using at = await pair()
  const { a, b, ann, bob, bobHandle } = at
  using bobsSocket = await bob.connect()
  const { status, body } = await tryDm(ann, bobHandle, 'Hello <b>Bob</b> & all!')
  expect(status).toBe(201)
  const actor = actorOf(b, bob)
  expect(body.result).toEqual({
    conversation_id: expect.stringMatching(/^dm-[0-9a-f]{32}$/),
    message_id: expect.any(String),
    delivered_local: false,
    delivered_remote: true,
    activity_id: `${a.url}/ap/activities/${body.result.message_id}`,
    delivery_target: `${actor}/inbox`,
  })
  const frame = await bobsSocket.next('message')
  expect(frame).toMatchObject({
    conversation_id: body.result.conversation_id,
    message: 'Hello <b>Bob</b> & all!',
    federated: true,
    remote_actor_uri: actorOf(a, ann),
    username: `ann@${new URL(a.url).host}`,
  })
  expect(frame.channel_id).toBeUndefined()

  // Bob answers whom he sees.
  using annsSocket = await ann.connect()
  await sendDm(bob, frame.sender_user_id, 'Hello Ann')
  expect(await annsSocket.next('message')).toMatchObject({ message: 'Hello Ann', federated: true })
  for (const peer of [bobHandle, `@${bobHandle}`, actor]) {
    const page = await messagesWith(ann, peer)
    expect(page).toMatchObject({ conversation_id: body.result.conversation_id, peer_actor_uri: actor })
    expect(
      page.messages.map(({ message, federated }: Record<string, unknown>) => [message, federated]),
    ).toEqual([
      ['Hello <b>Bob</b> & all!', false],
      ['Hello Ann', true],
    ])
  }
  const [overview] = await conversationsOf(bob)
  expect(overview).toMatchObject({ conversation_id: body.result.conversation_id, unread_count: 0 })

  // What came from the other server is found like what was written here.
  const found = await bob.get('/api/v1/search', { query: { q: 'bob' } })
  expect(found.body.messages, JSON.stringify(found.body)).toHaveLength(1)

  // Nobody gets into a list, or signs in, by being written to.
  const { body: list } = await bob.get('/api/v1/users/list')
  expect(list.users.map(({ username }: { username: string }) => username)).toEqual(['bob'])
  const signin = { username: `ann@${new URL(a.url).host}`, password: ann.password }
  expect((await request(b, 'POST', '/api/v1/users/signin', { json: signin })).status).toBe(401)
  const channel = await bob.createChannel('secret', { private: true })
  const added = await bob.put(`/api/v1/channels/${channel}/add_user`, {
    query: { to_add_user_id: frame.sender_user_id },
  })
  expect(added.status).toBe(404)
})

test('pictures come along, and are there when the other server is not', async () => {
  await using at = await pair()
  const { a, ann, bob, bobHandle } = at
  using socket = await bob.connect()
  const form = formOf(['peer', bobHandle], ['message', 'look'], ['attachments', new File([PNG], 'dot.png')])
  const { status, body } = await request(ann.server, 'POST', '/api/v1/dms/send', { token: ann.token, form })
  expect(status, JSON.stringify(body)).toBe(201)
  const { files } = await socket.next('message')
  expect(files).toMatchObject([
    { filename: 'dot.png', type: 'image/png', kind: 'image', width: 1, height: 1 },
  ])
  await a.stop()
  const picture = await fetch(new URL(files[0].url, at.b.url), {
    headers: { authorization: `Bearer ${bob.token}` },
  })
  expect([picture.status, picture.headers.get('content-type')]).toEqual([200, 'image/png'])
})

test('a link to a file is for the file and the server it was given to, and ends', async () => {
  const clock = { offset: 0 }
  await using server = await startFederated({ clock })
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const form = formOf(['peer', bob.id], ['message', ''], ['attachments', new File(['secret'], 'plan.txt')])
  const sent = await request(ann.server, 'POST', '/api/v1/dms/send', { token: ann.token, form })
  expect(sent.status).toBe(201)
  await peer.until(() => peer.inbox('/users/bob/inbox').length === 1)
  const [activity] = peer.inbox('/users/bob/inbox') as { object: { attachment: Record<string, string>[] } }[]
  const [attachment] = activity!.object.attachment
  expect(attachment).toMatchObject({ type: 'Document', mediaType: 'text/plain', name: 'plan.txt' })
  const link = new URL(attachment!['url']!)
  const statusOf = async (change: (url: URL) => void): Promise<number> => {
    const url = new URL(link)
    change(url)
    return (await fetch(url)).status
  }
  expect(await statusOf(() => {})).toBe(200)
  expect(await (await fetch(link)).text()).toBe('secret')
  expect(await statusOf((url) => url.searchParams.set('peer', 'other.example'))).toBe(404)
  expect(await statusOf((url) => url.searchParams.set('exp', '9999999999'))).toBe(404)
  expect(await statusOf((url) => url.searchParams.set('sig', 'x'.repeat(22)))).toBe(404)
  expect(await statusOf((url) => (url.search = ''))).toBe(404)
  clock.offset = 31 * 24 * 3600_000
  expect(await statusOf(() => {})).toBe(404)
  clock.offset = 0
  const { message_id, conversation_id } = sent.body.result
  await ann.delete(`/api/v1/channels/${conversation_id}/delete_message`, { query: { message_id } })
  expect(await statusOf(() => {})).toBe(404)
})

test('what is deleted is deleted on both sides, and what is read is seen to be read', async () => {
  await using at = await pair()
  const { a, b, ann, bob, bobHandle } = at
  using bobs = await bob.connect()
  using anns = await ann.connect()
  const sent = await sendDm(ann, bobHandle, 'read this, and forget it')
  const received = await bobs.next('message')
  const ids = { message_id: received.message_id }
  await bob.put(`/api/v1/channels/${received.conversation_id}/mark_message_as_read`, { query: ids })
  expect(await anns.next('conversation_read')).toMatchObject({
    conversation_id: sent.conversation_id,
    message_id: sent.message_id,
    seq: 1,
  })
  // Who does not want it seen is not seen.
  await bob.put('/api/v1/dms/settings', { json: { read_receipts: false } })
  await sendDm(ann, bobHandle, 'second')
  const second = await bobs.next('message')
  await bob.put(`/api/v1/channels/${received.conversation_id}/mark_message_as_read`, {
    query: { message_id: second.message_id },
  })

  await ann.delete(`/api/v1/channels/${sent.conversation_id}/delete_message`, {
    query: { message_id: sent.message_id },
  })
  expect(await bobs.next('message_deleted')).toMatchObject({ message_id: received.message_id })
  const { messages } = await messagesWith(bob, actorOf(a, ann))
  expect(messages.map(({ message }: { message: string }) => message)).toEqual(['second'])
  expect((await anns.settled()).filter(({ type }) => type === 'conversation_read')).toHaveLength(1)

  // Bob cannot take away what is Ann's: it goes on his side only if he may, and never on hers.
  const forbidden = await bob.delete(`/api/v1/channels/${received.conversation_id}/delete_message`, {
    query: { message_id: second.message_id },
  })
  expect(forbidden.status).toBe(403)
  expect((await messagesWith(ann, actorOf(b, bob))).messages).toHaveLength(1)
})

test('18 a direct message goes out to nobody but its recipient, in a form that others understand', async () => {
  await using server = await startFederated()
  await using peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob')
  const { message_id, conversation_id } = await sendDm(
    ann,
    bob.id,
    'a <script>\nand https://example.org/?a=1&b=2.',
  )
  await peer.until(() => peer.inbox('/users/bob/inbox').length === 1)
  const [activity] = peer.inbox('/users/bob/inbox')
  const actor = actorOf(server, ann)
  const published = expect.stringMatching(/^\d{4}-\d\d-\d\dT/)
  expect(activity).toEqual({
    '@context': [
      'https://www.w3.org/ns/activitystreams',
      {
        litepub: 'http://litepub.social/ns#',
        directMessage: 'litepub:directMessage',
        ostatus: 'http://ostatus.org#',
        conversation: 'ostatus:conversation',
        sensitive: 'as:sensitive',
        pufferblow: `${server.url}/ns#`,
      },
    ],
    id: `${server.url}/ap/activities/${message_id}`,
    type: 'Create',
    actor,
    to: [bob.id],
    cc: [],
    published,
    directMessage: true,
    object: {
      id: `${server.url}/ap/objects/${message_id}`,
      type: 'Note',
      attributedTo: actor,
      to: [bob.id],
      cc: [],
      published,
      content:
        `<p><span class="h-card"><a href="${bob.id}" class="u-url mention">@<span>bob</span></a></span> ` +
        'a &lt;script&gt;<br>and <a href="https://example.org/?a=1&amp;b=2" rel="nofollow noopener noreferrer">' +
        'https://example.org/?a=1&amp;b=2</a>.</p>',
      source: { content: 'a <script>\nand https://example.org/?a=1&b=2.', mediaType: 'text/plain' },
      tag: [{ type: 'Mention', href: bob.id, name: `@bob@${peer.host}` }],
      attachment: [],
      conversation: conversation_id,
      sensitive: false,
      directMessage: true,
      'pufferblow:visibility': 'direct',
      'pufferblow:kind': 'dm',
    },
  })
  const outbox = await request(server, 'GET', `/ap/users/${ann.id}/outbox`)
  expect(outbox.body).toMatchObject({ totalItems: 0, orderedItems: [] })
  await ann.delete(`/api/v1/channels/${conversation_id}/delete_message`, { query: { message_id } })
  await peer.until(() => peer.inbox('/users/bob/inbox').length === 2)
  expect(peer.inbox('/users/bob/inbox')[1]).toMatchObject({
    type: 'Delete',
    actor,
    to: [bob.id],
    object: { id: `${server.url}/ap/objects/${message_id}`, type: 'Tombstone' },
  })
})

interface Incoming extends AsyncDisposable {
  readonly server: TestServer
  readonly peer: FakePeer
  readonly ann: Person
  readonly bob: string
  /** Delivers a note of Bob to Ann. @returns what it did */
  write(note?: Record<string, unknown>, activity?: Record<string, unknown>): Promise<string>
  texts(): Promise<string[]>
}

async function incoming(): Promise<Incoming> {
  const server = await startFederated()
  const peer = await FakePeer.start()
  const ann = await federatedPerson(server, 'ann')
  const bob = peer.person('bob').id
  return {
    server,
    peer,
    ann,
    bob,
    write: async (note = {}, activity = {}) => {
      const object = {
        id: `${peer.origin}/notes/${crypto.randomUUID()}`,
        type: 'Note',
        attributedTo: bob,
        to: [actorOf(server, ann)],
        content: '<p>hello</p>',
        ...note,
      }
      const create = peer.activity(bob, { type: 'Create', to: object.to, object, ...activity })
      const answer = await peer.deliver(server, '/ap/inbox', create)
      expect(answer.status, JSON.stringify(answer.body)).toBe(202)
      return answer.body.result.action
    },
    texts: async () =>
      (await messagesWith(ann, bob)).messages.map(({ message }: { message: string }) => message),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await peer[Symbol.asyncDispose]()
    },
  }
}

test('22 23 a note counts only if it is its actor’s own, and meant for somebody here alone', async () => {
  await using at = await incoming()
  const { peer, server, ann, bob } = at
  const eve = peer.person('eve').id
  const me = actorOf(server, ann)
  const elsewhere = 'https://other.example/notes/1'
  for (const [action, note, activity] of [
    ['ignored', { attributedTo: eve }],
    ['ignored', { attributedTo: me }],
    ['ignored', { attributedTo: undefined }],
    ['ignored', { id: elsewhere }],
    ['ignored', { id: `${server.url}/ap/objects/${crypto.randomUUID()}` }],
    ['ignored', { id: undefined }],
    ['ignored', { content: '' }],
    ['non_note_ignored', { type: 'Video' }],
    ['non_note_ignored', {}, { object: `${peer.origin}/notes/1` }],
    ['public_ignored', { to: [me, 'https://www.w3.org/ns/activitystreams#Public'] }],
    ['public_ignored', { cc: 'as:Public' }],
    ['public_ignored', {}, { cc: ['Public'] }],
    ['no_local_recipient', { to: [`${server.url}/ap/users/${crypto.randomUUID()}`] }],
    ['no_local_recipient', { to: [`${me}/followers`] }],
    ['no_local_recipient', { to: [] }],
  ] as [string, Record<string, unknown>, Record<string, unknown>?][]) {
    expect([note, activity, await at.write(note, activity)]).toEqual([note, activity, action])
  }
  expect(await at.texts()).toEqual([])
  expect(await at.write()).toBe('dm_delivered')
  expect(await at.write({ to: me, cc: null, type: ['Note', 'x'], content: 'a single address' })).toBe(
    'dm_delivered',
  )
  expect(await at.texts()).toEqual(['hello', 'a single address'])
  expect(bob).toContain(peer.host)
})

test('the conversation that another server names is not believed', async () => {
  await using at = await incoming()
  const other = await federatedPerson(at.server, 'other')
  const { conversation_id } = await sendDm(at.ann, other, 'between us')
  expect(await at.write({ conversation: conversation_id, context: conversation_id })).toBe('dm_delivered')
  expect((await messagesWith(at.ann, other.id)).messages).toHaveLength(1)
  expect(await at.texts()).toEqual(['hello'])
})

test('17 of HTML, the text that it shows is kept, and nothing else', async () => {
  await using at = await incoming()
  const me = actorOf(at.server, at.ann)
  const mention = `<span class="h-card"><a href="${me}" class="u-url mention">@<span>ann</span></a></span>`
  const contents: [string, string][] = [
    [`<p>${mention} hello<br>there</p><p>again</p>`, 'hello\nthere\n\nagain'],
    ['<script>alert(1)</script><style>x{}</style>seen', 'seen'],
    ['<img src=x onerror=alert(1)><b onclick="x">bold</b>', 'bold'],
    ['<a href="javascript:alert(1)">click</a>', 'click'],
    ['<a href="data:text/html,x">click</a>', 'click'],
    [
      '<a href="https://bank.example.evil.example/">https://bank.example</a>',
      'https://bank.example (https://bank.example.evil.example/)',
    ],
    [
      '<a href="https://example.org/a/b"><span class="invisible">https://</span><span class="ellipsis">example.org/a</span><span class="invisible">/b</span></a>',
      'https://example.org/a/b',
    ],
    ['&lt;b&gt; &amp; &#39;x&#39; &#x263A; &unknown;', "<b> & 'x' ☺ &unknown;"],
    ['1 < 2 <', '1 < 2 <'],
    ['<!-- hidden -->shown<!-- never closed', 'shown'],
    ['<p>a</p>'.repeat(3), 'a\n\na\n\na'],
  ]
  for (const [content] of contents) expect(await at.write({ content })).toBe('dm_delivered')
  const page = await at.ann.get('/api/v1/dms/messages', { query: { peer: at.bob, messages_per_page: 50 } })
  expect(page.body.messages.map(({ message }: { message: string }) => message)).toEqual(
    contents.map(([, text]) => text),
  )

  await at.write({ content: '', source: { content: 'typed <b>', mediaType: 'text/plain' } })
  await at.write({ summary: 'warning', content: '<p>details</p>' })
  await at.write({ content: `<p>${'x'.repeat(60_000)}</p>` })
  const [typed, warned, long] = (await at.texts()).slice(-3)
  expect([typed, warned]).toEqual(['typed <b>', '[warning]\ndetails'])
  expect(long).toHaveLength(50_000)
})

test('a note to several people here is a message to each of them', async () => {
  await using at = await incoming()
  const cid = await federatedPerson(at.server, 'cid')
  const to = [actorOf(at.server, at.ann), actorOf(at.server, cid)]
  expect(await at.write({ to, content: 'to both' })).toBe('dm_delivered')
  expect(await at.texts()).toEqual(['to both'])
  expect((await messagesWith(cid, at.bob)).messages).toHaveLength(1)
})

test('who is blocked, here or by the person, gets nothing through, and is not told', async () => {
  await using at = await incoming()
  const { ann, bob, server, peer } = at
  expect(await at.write()).toBe('dm_delivered')
  await ann.post('/api/v1/federation/follow', { remote_handle: bob })
  expect((await ann.post('/api/v1/dms/block', { peer: bob })).status).toBe(200)
  expect(await at.write({ content: 'still me' })).toBe('dropped')
  expect(await at.texts()).toEqual(['hello'])
  expect((await tryDm(ann, bob)).status).toBe(403)
  await peer.until(() => peer.inbox('/users/bob/inbox').some(({ type }) => type === 'Undo'))
  expect((await ann.get('/api/v1/federation/follows')).body).toMatchObject({ following: [], followers: [] })
  const follow = peer.activity(bob, { type: 'Follow', object: actorOf(server, ann) })
  expect((await peer.deliver(server, '/ap/inbox', follow)).body.result.action).toBe('dropped')

  await ann.post('/api/v1/dms/unblock', { peer: bob })
  expect(await at.write({ content: 'again' })).toBe('dm_delivered')
  // Bob's own block keeps Ann from writing.
  await peer.deliver(server, '/ap/inbox', peer.activity(bob, { type: 'Block', object: actorOf(server, ann) }))
  expect((await tryDm(ann, bob)).status).toBe(403)
})

test('who is banned here gets nothing through from elsewhere, but may take back what they did', async () => {
  await using at = await incoming()
  const { ann, bob, server, peer } = at
  const deliver = async (activity: Record<string, unknown>): Promise<string> =>
    (await peer.deliver(server, '/ap/inbox', peer.activity(bob, activity))).body.result.action
  const note = `${bob}/notes/before`
  expect(await at.write({ id: note })).toBe('dm_delivered')
  const bobHere = (await messagesWith(ann, bob)).messages[0].sender_user_id as string
  const banned = await ann.post(`/api/v1/moderation/users/${bobHere}/ban`, { reason: 'spam' })
  expect(banned.status, JSON.stringify(banned.body)).toBe(201)

  expect(await at.write({ content: 'still me' })).toBe('dropped')
  expect(await deliver({ type: 'Follow', object: actorOf(server, ann) })).toBe('dropped')
  expect((await ann.get('/api/v1/federation/follows')).body).toMatchObject({ followers: [] })
  expect(await at.texts()).toEqual(['hello'])
  expect(await deliver({ type: 'Delete', object: note })).toBe('dm_deleted')

  await ann.delete(`/api/v1/moderation/users/${bobHere}/ban`)
  expect(await at.write({ content: 'again' })).toBe('dm_delivered')
})

test('strangers ask first if the person wants that; nobody is told of a refusal', async () => {
  await using at = await incoming()
  await at.ann.put('/api/v1/dms/settings', { json: { accept_from: 'contacts' } })
  for (let count = 1; count <= 6; count++) {
    expect([count, await at.write({ content: `please ${count}` })]).toEqual([
      count,
      count <= 5 ? 'dm_delivered' : 'dropped',
    ])
  }
  expect(await conversationsOf(at.ann)).toEqual([])
  const { body } = await at.ann.get('/api/v1/dms/requests')
  expect(body.requests).toHaveLength(1)
  await at.ann.post(`/api/v1/dms/requests/${body.requests[0].conversation.conversation_id}/accept`)
  expect(await at.write({ content: 'thank you' })).toBe('dm_delivered')
  await at.ann.put('/api/v1/dms/settings', { json: { accept_from: 'nobody' } })
  const eve = at.peer.person('eve').id
  const object = {
    id: `${at.peer.origin}/notes/eve`,
    type: 'Note',
    attributedTo: eve,
    to: [actorOf(at.server, at.ann)],
    content: 'me too',
  }
  const create = at.peer.activity(eve, { type: 'Create', object })
  expect((await at.peer.deliver(at.server, '/ap/inbox', create)).body.result.action).toBe('dropped')
})

test('only the author takes a note back, also one that has not come yet', async () => {
  await using at = await incoming()
  const { peer, server, bob } = at
  const eve = peer.person('eve').id
  const [first, second] = [`${peer.origin}/notes/1`, `${peer.origin}/notes/2`]
  await at.write({ id: first })
  const remove = async (by: string, object: unknown): Promise<string> =>
    (await peer.deliver(server, '/ap/inbox', peer.activity(by, { type: 'Delete', object }))).body.result
      .action
  expect(await remove(eve, first)).toBe('ignored')
  expect(await remove(bob, 'https://other.example/notes/1')).toBe('ignored')
  expect(await at.texts()).toEqual(['hello'])
  expect(await remove(bob, { id: first, type: 'Tombstone' })).toBe('dm_deleted')
  expect(await at.texts()).toEqual([])
  expect(await remove(bob, second)).toBe('ignored')
  expect(await at.write({ id: second })).toBe('ignored')
  expect(await at.texts()).toEqual([])
})

test('what somebody says in other words is changed on both sides, and by nobody else', async () => {
  await using at = await pair()
  const { b, ann, bob, bobHandle } = at
  using bobs = await bob.connect()
  const sent = await sendDm(ann, bobHandle, 'good evning')
  const received = await bobs.next('message')
  const edit = (by: Person, { conversation_id, message_id }: typeof sent, message: string) =>
    by.put(`/api/v1/channels/${conversation_id}/messages/${message_id}`, { json: { message } })
  expect((await edit(ann, sent, 'good evening')).status).toBe(200)
  expect(await bobs.next('message_edited')).toMatchObject({
    message_id: received.message_id,
    message: 'good evening',
    edited_by: received.sender_user_id,
  })
  // The owner of a server, too, cannot put words into the mouth of somebody on another one.
  expect((await edit(bob, received, 'good night')).status).toBe(403)
  // Who is blocked changes nothing either; they are not told, and still say here what they like.
  const page = async () => (await messagesWith(bob, received.sender_user_id)).messages
  await bob.post('/api/v1/dms/block', { peer: received.sender_user_id })
  await edit(ann, sent, 'good riddance')
  await expect.poll(() => b.ctx.db.read.selectFrom('federation_seen').select('at').execute()).toHaveLength(3)
  expect(await page()).toMatchObject([{ message: 'good evening' }])
})

test('a person who is called something else now is called so on other servers too', async () => {
  const clock = { offset: 0 }
  await using at = await pair(clock)
  const { a, b, ann, bob, bobHandle } = at
  await sendDm(ann, bobHandle, 'hello')
  const nameAtB = async (): Promise<string | undefined> =>
    (
      await b.ctx.db.read
        .selectFrom('user')
        .select('username')
        .where('origin_server', 'is not', null)
        .execute()
    )[0]?.username
  const host = new URL(a.url).host
  await expect.poll(nameAtB).toBe(`ann@${host}`)
  // What was asked for a moment ago is not asked for again.
  clock.offset += 61_000
  await ann.put('/api/v1/users/profile', { query: { new_username: 'anna' } })
  const waiting = () =>
    a.ctx.db.read.selectFrom('job').select('id').where('type', '=', 'federation.announce').execute()
  await expect.poll(waiting).toHaveLength(1)
  a.passTime(6_000)
  await expect.poll(nameAtB, { timeout: 5_000 }).toBe(`anna@${host}`)
  expect((await tryDm(bob, `anna@${host}`)).status).toBe(201)
})

test('an Update counts only from its author, for a note that is here', async () => {
  await using at = await incoming()
  const { peer, server, ann, bob } = at
  const eve = peer.person('eve').id
  const id = `${peer.origin}/notes/1`
  await at.write({ id, content: 'first' })
  const update = async (by: string, note: Record<string, unknown>): Promise<string> => {
    const object = { id, type: 'Note', attributedTo: by, to: [actorOf(server, ann)], content: 'x', ...note }
    const activity = peer.activity(by, { type: 'Update', to: object.to, object })
    return (await peer.deliver(server, '/ap/inbox', activity)).body.result.action
  }
  for (const [by, note] of [
    [eve, {}],
    [eve, { attributedTo: bob }],
    [bob, { id: `${peer.origin}/notes/2` }],
    [bob, { id: 'https://other.example/notes/1' }],
    [bob, { content: 'first' }],
    [bob, { content: '' }],
    [bob, { cc: 'as:Public' }],
  ] as const) {
    expect([by, note, await update(by, note)]).toEqual([by, note, 'ignored'])
  }
  expect(await at.texts()).toEqual(['first'])
  expect(await update(bob, { content: '<p>second <script>x</script></p>' })).toBe('dm_edited')
  expect(await at.texts()).toEqual(['second'])
  const found = await ann.get('/api/v1/search', { query: { q: 'second' } })
  expect(found.body.messages).toHaveLength(1)
  await peer.deliver(server, '/ap/inbox', peer.activity(bob, { type: 'Delete', object: id }))
  expect(await update(bob, { content: 'third' })).toBe('ignored')
})

test('files of other servers are taken in, or named if they cannot be had', async () => {
  await using at = await incoming()
  const { peer } = at
  peer.misbehave = ({ path }, response) => {
    if (path === '/files/dot.png') response.writeHead(200, { 'content-type': 'image/png' }).end(PNG)
    else if (path === '/files/huge') response.writeHead(200).end(Buffer.alloc(17 * 1024 * 1024))
    else if (path === '/files/missing') response.writeHead(404).end()
    else return false
    return true
  }
  const attachment = [
    {
      type: 'Document',
      mediaType: 'image/png',
      url: `${peer.origin}/files/dot.png`,
      name: '../../etc/passwd',
    },
    { type: 'Link', href: `${peer.origin}/files/missing` },
    `${peer.origin}/files/huge`,
    { type: 'Image', url: [{ type: 'Link', href: 'http://169.254.169.254/latest' }] },
    { type: 'Image', url: 'javascript:alert(1)' },
    { type: 'Image', url: `${at.server.url}/api/v1/info` },
  ]
  expect(await at.write({ attachment, content: 'files' })).toBe('dm_delivered')
  const { messages } = await messagesWith(at.ann, at.bob)
  expect(messages[0].message).toBe(
    [
      'files',
      `${peer.origin}/files/missing`,
      `${peer.origin}/files/huge`,
      'http://169.254.169.254/latest',
      `${at.server.url}/api/v1/info`,
    ].join('\n'),
  )
  expect(messages[0].files).toMatchObject([{ type: 'image/png', kind: 'image' }])
  expect(messages[0].files[0].filename).not.toContain('/')
})

test('reading counts only from who takes part, of what is in the conversation', async () => {
  await using at = await incoming()
  const { peer, server, ann, bob } = at
  const eve = peer.person('eve').id
  const other = await federatedPerson(server, 'other')
  const own = await sendDm(ann, bob, 'for Bob')
  const foreign = await sendDm(ann, other, 'for another')
  using socket = await ann.connect()
  const read = async (by: string, messageId: string): Promise<string> => {
    const object = `${server.url}/ap/objects/${messageId}`
    return (await peer.deliver(server, '/ap/inbox', peer.activity(by, { type: 'Read', object }))).body.result
      .action
  }
  expect(await read(eve, own.message_id)).toBe('ignored')
  expect(await read(bob, foreign.message_id)).toBe('ignored')
  expect(await read(bob, crypto.randomUUID())).toBe('ignored')
  expect(await read(bob, own.message_id)).toBe('read_noted')
  expect(await read(bob, own.message_id)).toBe('ignored')
  expect(await socket.next('conversation_read')).toMatchObject({ message_id: own.message_id })
  expect((await socket.settled()).filter(({ type }) => type === 'conversation_read')).toHaveLength(1)
})

test('who is not known to other servers, or is gone, or blocked, is said so when one writes', async () => {
  await using at = await incoming()
  const { ann, bob, peer, server } = at
  await sendDm(ann, bob, 'first')
  await ann.put('/api/v1/federation/identity', { json: { enabled: false } })
  expect((await tryDm(ann, bob)).status).toBe(400)
  await ann.put('/api/v1/federation/identity', { json: { enabled: true } })
  const domain = peer.host.split(':')[0]!
  await ann.put('/api/v1/federation/rules', { json: { domain, action: 'block' } })
  const [conversation] = await conversationsOf(ann)
  const reply = () =>
    ann.post(`/api/v1/channels/${conversation.conversation_id}/send_message`, { message: 'anybody there?' })
  expect((await reply()).status).toBe(403)
  await ann.delete('/api/v1/federation/rules', { query: { domain } })
  await peer.deliver(server, '/ap/inbox', peer.activity(bob, { type: 'Delete', object: bob }))
  expect((await reply()).status).toBe(400)
  expect(await at.texts().catch(() => [])).toEqual(['first'])
})

test('a person who is called something else there is called so here, and nobody takes their place', async () => {
  await using at = await incoming()
  const { peer, server } = at
  await at.write()
  // Another actor of the same server that calls itself the same is told apart.
  const twin = peer.person('twin', { preferredUsername: 'bob' }).id
  const object = {
    id: `${peer.origin}/notes/twin`,
    type: 'Note',
    attributedTo: twin,
    to: [actorOf(server, at.ann)],
    content: 'me',
  }
  await peer.deliver(server, '/ap/inbox', peer.activity(twin, { type: 'Create', object }))
  const names = (await conversationsOf(at.ann)).flatMap(({ participants }) =>
    participants.map(({ username }: { username: string }) => username),
  )
  expect(names.filter((name: string) => name === `bob@${peer.host}`)).toHaveLength(1)
  expect(new Set(names).size).toBe(3)
  expect(await dumpTables(server)).not.toContain('>hello<')
})
