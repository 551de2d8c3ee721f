import { broadcastOfFloor, broadcastOfOurs, framesLike, type Broadcast } from '../lib/broadcast.ts'
import { startFloor } from '../lib/floor.ts'
import { TemporaryFolder } from '../lib/folder.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { messageText } from '../lib/message.ts'
import { startPufferblow } from '../lib/pufferblow.ts'
import { compare, takeTurns } from '../lib/stats.ts'

const SOCKETS = 1000
const PEOPLE = 20
/** Messages that may be on their way: enough to keep the server busy, too few to fill the queues of sockets. */
const BATCH = 20

export const fanOut: Case = {
  name: 'fan-out',
  title: `one person's messages go to ${SOCKETS} sockets`,
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  using folder = new TemporaryFolder()
  await using server = await startPufferblow(folder.path)
  await using floorServer = await startFloor('broadcast')
  await using ours = await broadcastOfOurs(server, { people: PEOPLE, sockets: SOCKETS })
  await ours.swarm.quiet()
  await ours.say(messageText)
  await ours.swarm.received(SOCKETS)
  const frame = framesLike(ours.swarm.sample, messageText)
  await using floor = await broadcastOfFloor(floorServer, { sockets: SOCKETS, frame })

  for (const side of [floor, ours]) await talk(side, 10)
  const batches = quick ? 5 : 25
  const rounds = await takeTurns(quick ? 2 : 5, {
    floor: () => talk(floor, batches),
    ours: () => talk(ours, batches),
  })
  return [
    compare(
      { name: `fan-out to ${SOCKETS}`, unit: 'frames/CPU-s', bar: { ratio: 0.8 } },
      rounds,
      (round) => round.perCpuSecond,
    ),
    compare({ name: `fan-out to ${SOCKETS}`, unit: 'frames/s' }, rounds, (round) => round.perSecond),
  ]
}

async function talk(
  { server, swarm, say }: Broadcast,
  batches: number,
): Promise<{ perSecond: number; perCpuSecond: number }> {
  const before = swarm.messages
  const cpuBefore = server.cpuSeconds()
  const started = performance.now()
  for (let batch = 1; batch <= batches; batch++) {
    for (let message = 0; message < BATCH; message++) await say(messageText)
    await swarm.received(before + batch * BATCH * SOCKETS)
  }
  const frames = batches * BATCH * SOCKETS
  return {
    perSecond: frames / ((performance.now() - started) / 1000),
    perCpuSecond: frames / (server.cpuSeconds() - cpuBefore),
  }
}
