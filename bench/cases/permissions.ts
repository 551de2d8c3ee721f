import type { OverrideFacts, RoleFacts } from '#events/events.ts'
import { compileOverrides, RoleList } from '#features/roles/index.ts'
import { can, type ChannelStanding, type Standing } from '#lib/permission.ts'
import { channelRights } from '#lib/rights.ts'
import type { Case, CaseOptions, Measurement } from '../lib/measurement.ts'
import { compare } from '../lib/stats.ts'

const ROLES = 200
const HELD = 20
const CHANNELS = 500
/** Roles and people that each channel speaks about. */
const SPOKEN_ABOUT = 40
const PERSON = 'somebody'

export const permissions: Case = {
  name: 'permissions',
  title: `somebody with ${HELD} roles asks what they may do in ${CHANNELS} channels`,
  run,
}

async function run({ quick }: CaseOptions): Promise<Measurement[]> {
  const random = randomFrom(20_261_124)
  const { person, roleIds } = somebody(random)
  const channels = Array.from({ length: CHANNELS }, () => channel(random, roleIds))
  const rounds: { micros: number }[] = []
  for (let round = 0; round < (quick ? 4 : 12); round++) {
    let allowed = 0
    const started = performance.now()
    for (const place of channels) {
      for (const right of channelRights) if (can(person, right, place).allowed) allowed++
    }
    const micros = ((performance.now() - started) * 1000) / (CHANNELS * channelRights.length)
    if (allowed === 0 || allowed === CHANNELS * channelRights.length) throw new Error('nothing was decided')
    // The first rounds compile.
    if (round >= 2) rounds.push({ micros })
  }
  const bar = { below: 20 }
  return [compare({ name: 'permission decision', unit: 'µs', bar }, { ours: rounds }, (one) => one.micros)]
}

/** Somebody who holds the lower ones of many roles, so that looking through them takes longest. */
function somebody(random: () => number): { person: Standing; roleIds: string[] } {
  const custom = Array.from({ length: ROLES }, (_, index): RoleFacts => {
    const rights = channelRights.filter(() => random() < 0.05)
    return { id: `role-${index}`, name: `Role ${index}`, rights, position: index - ROLES / 2 }
  })
  const list = new RoleList(custom)
  const roleIds = custom.map(({ id }) => id)
  const held = list.held([...roleIds.slice(0, HELD - 1), 'user'])
  const rights = list.rightsOf(held.map(({ id }) => id))
  return { person: { userId: PERSON, held, rights, timedOutUntil: null }, roleIds }
}

function channel(random: () => number, roleIds: readonly string[]): ChannelStanding {
  const facts = Array.from({ length: SPOKEN_ABOUT }, (_, index): OverrideFacts => {
    const about = index < SPOKEN_ABOUT / 2 ? 'role' : 'member'
    const subjectId = about === 'role' ? roleIds[Math.floor(random() * roleIds.length)]! : `member-${index}`
    const said = channelRights.filter(() => random() < 0.1)
    const allow = said.filter(() => random() < 0.5)
    return { subjectType: about, subjectId, allow, deny: said.filter((right) => !allow.includes(right)) }
  })
  const isPrivate = random() < 0.5
  return { type: 'text', isPrivate, isMember: random() < 0.5, overrides: compileOverrides(facts) }
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
