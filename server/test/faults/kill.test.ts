import { expect, test } from 'vitest'
import { expectSound, Load, sentOf, wholeHistory, type Sent } from '#test/history.ts'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { newPlace } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

const ROUNDS = 4
const SENDERS = 24

test('what was acknowledged before a kill is there once, without gaps, and sockets resume without loss', async () => {
  await using place = await newPlace()
  await using programs = new AsyncDisposableStack()
  let program = programs.use(await Program.start(place))
  let [owner, bob] = [await Person.signUp(program, 'owner'), await Person.signUp(program, 'bob')]
  const channels = [
    await owner.createChannel('general'),
    await owner.createChannel('secret', { private: true, members: [bob] }),
  ]
  let socket = await bob.connect({ resume: 'now' })
  await socket.next('ready')
  const seen: Sent[] = []
  let lastSeqs = channels.map(() => 0)

  for (let round = 1; round <= ROUNDS; round++) {
    const load = new Load([owner, bob], channels, {
      senders: SENDERS,
      label: `round ${round}`,
      untilBroken: true,
    })
    // Each round is cut at another moment.
    await load.until(80 + round * 67)
    await program.kill()
    await load.stop()
    await socket.closed()
    seen.push(...messagesOf(socket))

    const { cursor } = socket
    program = programs.use(await Program.start(place, { secrets: program.secrets }))
    ;[owner, bob] = [owner, bob].map((person) => new Person(program, person)) as [Person, Person]
    const histories = await Promise.all(channels.map((channel) => wholeHistory(bob, channel)))
    for (const [index, history] of histories.entries()) {
      expectSound(history, load)
      // Nothing that was not sent, and not more than could have been under way.
      const fresh = history.filter(({ seq }) => seq > lastSeqs[index]!)
      for (const { text } of fresh) expect(load.attempted).toContain(text)
    }
    const unacknowledged = histories
      .flat()
      .filter(({ id, text }) => load.attempted.has(text) && !load.acknowledged.has(id))
    expect(unacknowledged.length).toBeLessThanOrEqual(SENDERS)

    socket = await bob.connect({ resume: cursor })
    await socket.next('ready')
    await socket.settled()
    const known = [...seen, ...messagesOf(socket)]
    for (const [index, channel] of channels.entries()) {
      expect(known.filter((message) => message.channel === channel)).toEqual(histories[index])
    }
    // The channel goes on where it was.
    const { body } = await bob.post(`/api/v1/channels/${channels[0]}/send_message`, {
      message: `after round ${round}`,
    })
    expect(body.message_data.seq).toBe(histories[0]!.length + 1)
    const unread = await owner.get('/api/v1/channels/read-history')
    expect(Object.keys(unread.body.unread_counts)).toEqual(expect.arrayContaining(channels))
    lastSeqs = [histories[0]!.length + 1, histories[1]!.length]
  }
  socket.socket.terminate()
})

function messagesOf(socket: TestSocket): Sent[] {
  return socket.frames.filter(({ type }) => type === 'message').map(sentOf)
}
