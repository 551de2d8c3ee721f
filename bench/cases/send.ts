import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import { requestBytes } from '../lib/http-connection.ts'
import { load, type LoadResult } from '../lib/load.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import { call, createChannel, eventLoopDelayP99, signUp, startPufferblow } from '../lib/pufferblow.ts'
import { compare, takeTurns } from '../lib/stats.ts'

const CLIENTS = 32

export const send: Case = {
  name: 'send',
  title: `${CLIENTS} people send messages at once, each acknowledged when it is on disk`,
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  using floorFolder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  await using floor = await startFloor('insert', floorFolder.path)

  const people = await signUp(server.url, CLIENTS)
  const channelId = await createChannel(server.url, people[0]!)
  const path = `/api/v1/channels/${channelId}/send_message`
  const body = JSON.stringify({ message: messageText })
  const requests = people.map(({ token }) => [requestBytes(server.url, 'POST', path, { token, body })])
  const floorRequests = people.map(({ token }) => [requestBytes(floor.url, 'POST', path, { token, body })])

  let acknowledged = 0
  const sendOurs = async (seconds: number): Promise<LoadResult & { delayMs: number }> => {
    await eventLoopDelayP99(server.url)
    const result = await load(server, requests, { seconds })
    acknowledged += result.answers
    return { ...result, delayMs: await eventLoopDelayP99(server.url) }
  }
  const seconds = quick ? 1 : 4
  await load(floor, floorRequests, { seconds: 1 })
  await sendOurs(quick ? 1 : 3)
  const rounds = await takeTurns(quick ? 2 : 5, {
    floor: async () => ({ ...(await load(floor, floorRequests, { seconds })), delayMs: 0 }),
    ours: () => sendOurs(seconds),
  })
  await expectStored(server.url, { channelId, token: people[0]!.token, count: acknowledged })

  return [
    compare({ name: 'send', unit: 'messages/s', bar: { ratio: 0.35 } }, rounds, (round) => round.perSecond),
    compare({ name: 'send', unit: 'messages/CPU-s' }, rounds, (round) => round.perCpuSecond),
    compare({ name: 'send: latency p50', unit: 'ms' }, rounds, (round) => round.p50Ms),
    compare({ name: 'send: latency p99', unit: 'ms' }, rounds, (round) => round.p99Ms),
    compare(
      { name: 'send: event-loop delay p99', unit: 'ms', bar: { below: 20 } },
      { ours: rounds.ours },
      (round) => round.delayMs,
    ),
  ]
}

/** Speed counts only if every message that was acknowledged is there. */
async function expectStored(
  url: string,
  { channelId, token, count }: { channelId: string; token: string; count: number },
): Promise<void> {
  const path = `/api/v1/channels/${channelId}/load_messages?messages_per_page=1`
  const { messages } = (await call(url, 'GET', path, { token })) as { messages: { seq: number }[] }
  const stored = messages[0]?.seq
  if (stored !== count) throw new Error(`${count} messages were acknowledged and ${stored} are stored`)
}
