import { setTimeout as sleep } from 'node:timers/promises'
import { broadcastOfFloor, broadcastOfOurs, framesLike, type Broadcast } from '../lib/broadcast.ts'
import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import type { Program } from '../lib/program.ts'
import { startPufferblow } from '../lib/pufferblow.ts'
import { compare, percentile } from '../lib/stats.ts'
import { sharedNow, TIME_MARK } from '../lib/swarm-protocol.ts'

const SOCKETS = 10_000
const PEOPLE = 100
const EVERY_MS = 500

export const crowd: Case = {
  name: 'crowd',
  title: `${SOCKETS} open sockets: how late messages arrive, and what a socket costs`,
  run,
}

interface CrowdRound {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly kbPerSocket: number
  readonly kbPerSocketAfterwards: number
}

/** A crowd on each side would share the memory of one machine, so the floor goes home before ours comes. */
async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  const rounds: { ours: CrowdRound[]; floor: CrowdRound[] } = { ours: [], floor: [] }
  const messages = quick ? 8 : 20
  for (let round = 0; round < (quick ? 1 : 3); round++) {
    const { result, frame } = await gatherOurs(messages)
    rounds.ours.push(result)
    rounds.floor.push(await gatherFloor(messages, frame))
  }
  const name = `${SOCKETS} sockets`
  return [
    compare(
      { name: `${name}: delivery p99`, unit: 'ms', bar: { below: 250 } },
      rounds,
      (round) => round.p99Ms,
    ),
    compare({ name: `${name}: delivery p50`, unit: 'ms' }, rounds, (round) => round.p50Ms),
    compare(
      { name: `${name}: memory each`, unit: 'KB', bar: { below: 16 } },
      rounds,
      (round) => round.kbPerSocket,
    ),
    compare(
      { name: `${name}: memory each, after messages`, unit: 'KB' },
      rounds,
      (round) => round.kbPerSocketAfterwards,
    ),
  ]
}

async function gatherOurs(
  messages: number,
): Promise<{ result: CrowdRound; frame: (text: string) => string }> {
  using folder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  const settled = await warmUp(server)
  await using ours = await broadcastOfOurs(server, { people: PEOPLE, sockets: SOCKETS })
  // A crowd that arrives is presence for everybody who is there already; what is measured is what comes after.
  await ours.swarm.quiet()
  const result = await measure(ours, messages, settled)
  return { result, frame: framesLike(ours.swarm.sample, messageText) }
}

async function gatherFloor(messages: number, frame: (text: string) => string): Promise<CrowdRound> {
  await using server = await startFloor('broadcast')
  const settled = await warmUp(server)
  await using floor = await broadcastOfFloor(server, { sockets: SOCKETS, frame })
  await floor.swarm.quiet()
  return await measure(floor, messages, settled)
}

/** @returns bytes that the server uses without the crowd */
async function warmUp(server: Program): Promise<number> {
  for (let request = 0; request < 50; request++) await (await fetch(new URL('/healthz', server.url))).text()
  await sleep(1000)
  return server.rssBytes()
}

async function measure(
  { server, swarm, say }: Broadcast,
  messages: number,
  settled: number,
): Promise<CrowdRound> {
  const kbPerSocket = (server.rssBytes() - settled) / SOCKETS / 1000
  const before = swarm.messages
  await say(messageText)
  await swarm.received(before + SOCKETS)
  swarm.forgetLatencies()
  for (let message = 1; message <= messages; message++) {
    const next = sleep(EVERY_MS)
    await say(`${TIME_MARK}${sharedNow().toFixed(3)}${TIME_MARK} ${messageText}`)
    await next
  }
  await swarm.received(before + (messages + 1) * SOCKETS)
  const latencies = await swarm.latencies()
  return {
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    kbPerSocket,
    kbPerSocketAfterwards: (server.rssBytes() - settled) / SOCKETS / 1000,
  }
}
