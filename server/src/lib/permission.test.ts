import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  can,
  noOverrides,
  type ChannelStanding,
  type Overrides,
  type Role,
  type Standing,
  type Statement,
} from './permission.ts'
import { allRights, channelRights, rightsInDirect, rightsToSpeak, type Right } from './rights.ts'

const ids = ['owner', 'admin', 'high', 'moderator', 'low', 'user'] as const

const right = fc.constantFrom(...allRights)
const rightSet = fc.subarray([...allRights]).map((list) => new Set<Right>(list))

/** Roles highest first, each with rights of its own; the owner has them all. */
const person: fc.Arbitrary<Standing> = fc
  .record({
    held: fc.subarray([...ids]),
    rights: fc.array(rightSet, { minLength: ids.length, maxLength: ids.length }),
    timedOutUntil: fc.option(fc.nat()),
  })
  .map(({ held, rights, timedOutUntil }) => {
    const roles = held.map((id): Role => {
      const own = id === 'owner' ? new Set(allRights) : rights[ids.indexOf(id)]!
      return { id, name: id, rights: own, isSystem: false }
    })
    return {
      userId: 'ann',
      held: roles,
      rights: new Set(roles.flatMap(({ rights: own }) => [...own])),
      timedOutUntil,
    }
  })

const statement = fc
  .dictionary(fc.constantFrom(...channelRights), fc.boolean())
  .map((said) => new Map(Object.entries(said) as [Right, boolean][]))

const overrides: fc.Arbitrary<Overrides> = fc
  .record({
    roles: fc.dictionary(fc.constantFrom(...ids), statement),
    members: fc.dictionary(fc.constantFrom('ann', 'bob'), statement),
  })
  .map(({ roles, members }) => ({
    roles: new Map(Object.entries(roles)),
    members: new Map(Object.entries(members)),
  }))

const channel: fc.Arbitrary<ChannelStanding> = fc.record({
  type: fc.constantFrom('text', 'voice', 'mixed', 'dm'),
  isPrivate: fc.boolean(),
  isMember: fc.boolean(),
  overrides,
})

function isOwner({ held }: Standing): boolean {
  return held.some(({ id }) => id === 'owner')
}

/** The same rule in another shape: everything that has a say, in the order in which it has it. */
function model(ann: Standing, wanted: Right, place?: ChannelStanding): boolean {
  const has = (one: Right): boolean => ann.held.some(({ rights }) => rights.has(one))
  const said = (one: Right): (boolean | undefined)[] => {
    const isStaff = ann.held.some(({ id }) => ['owner', 'admin', 'moderator'].includes(id))
    const roleIds = ann.held.map(({ id }) => id)
    const bound = isStaff || roleIds.includes('user') ? roleIds : [...roleIds, 'user']
    return bound.map((id) => place!.overrides.roles.get(id)?.get(one))
  }
  const first = (...says: (boolean | undefined)[]): boolean => says.find((one) => one !== undefined) ?? false
  if (place) {
    const sees =
      place.type === 'dm'
        ? place.isMember
        : first(
            isOwner(ann) || undefined,
            place.overrides.members.get('ann')?.get('view_messages'),
            (place.isPrivate && place.isMember) || undefined,
            ...said('view_messages'),
            has(place.isPrivate ? 'view_private_channels' : 'view_messages'),
          )
    if (!sees || wanted === 'view_messages') return sees
  }
  if (ann.timedOutUntil !== null && rightsToSpeak.has(wanted)) return false
  if (!place) return has(wanted)
  if (place.type === 'dm') return rightsInDirect.has(wanted) && has(wanted)
  return first(
    isOwner(ann) || undefined,
    place.overrides.members.get('ann')?.get(wanted),
    ...said(wanted),
    has(wanted),
  )
}

function check(...parts: Parameters<typeof fc.property<[Standing, Right, ChannelStanding]>>): void {
  fc.assert(fc.property(...parts), { numRuns: 500 })
}

test('the decision is that of the model, for everybody, every right and every channel', () => {
  fc.assert(
    fc.property(person, right, fc.option(channel, { nil: undefined }), (ann, wanted, place) => {
      expect(can(ann, wanted, place).allowed).toBe(model(ann, wanted, place))
    }),
    { numRuns: 2000 },
  )
})

test('what is said to have decided is true', () => {
  check(person, right, channel, (ann, wanted, place) => {
    const { allowed, because } = can(ann, wanted, place)
    switch (because.by) {
      case 'role': {
        const role = ann.held.find(({ id }) => id === because.roleId)
        const asked = wanted === 'view_messages' && place.isPrivate ? 'view_private_channels' : wanted
        expect(role?.rights.has(asked)).toBe(true)
        expect(allowed).toBe(true)
        break
      }
      case 'role_override': {
        expect(place.overrides.roles.get(because.roleId)?.get(wanted)).toBe(allowed)
        const above = ann.held.slice(
          0,
          ann.held.findIndex(({ id }) => id === because.roleId),
        )
        if (because.roleId !== 'user') {
          for (const { id } of above) expect(place.overrides.roles.get(id)?.has(wanted) ?? false).toBe(false)
        }
        break
      }
      case 'member_override':
        expect(place.overrides.members.get('ann')?.get(wanted)).toBe(allowed)
        break
      case 'hidden':
        expect(can(ann, 'view_messages', place)).toEqual({ allowed: false, because: because.because })
        break
      case 'timeout':
        expect(because.until).toBe(ann.timedOutUntil)
        break
      default:
        expect(allowed).toBe(because.by === 'owner' || because.by === 'membership')
    }
  })
})

test('nothing can be done in a channel that cannot be seen', () => {
  check(person, right, channel, (ann, wanted, place) => {
    fc.pre(!can(ann, 'view_messages', place).allowed)
    expect(can(ann, wanted, place).allowed).toBe(false)
  })
})

test('owners may do everything in every channel, whatever it says of them', () => {
  const ownership = { id: 'owner', name: 'owner', rights: new Set(allRights), isSystem: true }
  check(person, right, channel, (ann, wanted, place) => {
    const others = ann.held.filter(({ id }) => id !== 'owner')
    const owner = { ...ann, held: [ownership, ...others], rights: ownership.rights, timedOutUntil: null }
    expect(can(owner, wanted, { ...place, type: 'text' })).toEqual({
      allowed: true,
      because: { by: 'owner' },
    })
  })
})

test('a direct conversation is open to its participants alone, and nobody presides over it', () => {
  check(person, right, channel, (ann, wanted, place) => {
    const dm = { ...place, type: 'dm' }
    if (!dm.isMember) expect(can(ann, wanted, dm).allowed).toBe(false)
    else if (wanted !== 'view_messages' && !rightsInDirect.has(wanted)) {
      expect(can(ann, wanted, dm).allowed).toBe(false)
    }
  })
})

test('who is timed out keeps everything but the rights to speak', () => {
  check(person, right, channel, (ann, wanted, place) => {
    const free = { ...ann, timedOutUntil: null }
    const silenced = { ...ann, timedOutUntil: 1 }
    expect(can(silenced, wanted, place).allowed).toBe(
      can(free, wanted, place).allowed && !rightsToSpeak.has(wanted),
    )
  })
})

test('a public channel that says nothing changes nothing', () => {
  check(person, right, channel, (ann, wanted, place) => {
    const silent = { ...place, type: 'text', isPrivate: false, overrides: noOverrides }
    fc.pre(can(ann, 'view_messages').allowed)
    expect(can(ann, wanted, silent)).toEqual(
      isOwner(ann) && ann.timedOutUntil === null
        ? { allowed: true, because: { by: 'owner' } }
        : can(ann, wanted),
    )
  })
})

test('what a channel says about other people, and about roles that somebody has not, does not concern them', () => {
  check(person, right, channel, (ann, wanted, place) => {
    const held = new Set(ann.held.map(({ id }) => id))
    const isStaff = ['owner', 'admin', 'moderator'].some((id) => held.has(id))
    const concerning = {
      roles: new Map(
        [...place.overrides.roles].filter(([id]) => held.has(id) || (id === 'user' && !isStaff)),
      ),
      members: new Map([...place.overrides.members].filter(([id]) => id === 'ann')),
    }
    expect(can(ann, wanted, { ...place, overrides: concerning })).toEqual(can(ann, wanted, place))
  })
})

describe('examples', () => {
  const holding = (...held: [string, Right[]][]): Standing => ({
    userId: 'ann',
    held: held.map(([id, rights]) => ({ id, name: id, rights: new Set(rights), isSystem: false })),
    rights: new Set(held.flatMap(([, rights]) => rights)),
    timedOutUntil: null,
  })
  const announcements: ChannelStanding = {
    type: 'text',
    isPrivate: false,
    isMember: false,
    overrides: { roles: new Map([['user', new Map([['send_messages', false]])]]), members: new Map() },
  }
  const everyday: Right[] = ['view_messages', 'send_messages']

  test('what is denied to users is not denied to moderators, nor to who has been given it in the channel', () => {
    const { overrides: said } = announcements
    expect(can(holding(['user', everyday]), 'send_messages', announcements)).toEqual({
      allowed: false,
      because: { by: 'role_override', roleId: 'user' },
    })
    expect(can(holding(['guest', everyday]), 'send_messages', announcements).allowed).toBe(false)
    const moderator = holding(['moderator', everyday])
    expect(can(moderator, 'send_messages', announcements).allowed).toBe(true)
    const press: Statement = new Map([['send_messages', true]])
    const writer = holding(['press', []], ['user', everyday])
    const heard = { roles: new Map([...said.roles, ['press', press]]), members: new Map() }
    expect(can(writer, 'send_messages', { ...announcements, overrides: heard })).toEqual({
      allowed: true,
      because: { by: 'role_override', roleId: 'press' },
    })
  })

  test('a role can be let into a private channel, and a member stays in whatever is said about roles', () => {
    const crew: ChannelStanding = {
      type: 'text',
      isPrivate: true,
      isMember: false,
      overrides: { roles: new Map([['crew', new Map([['view_messages', true]])]]), members: new Map() },
    }
    expect(can(holding(['crew', []], ['user', everyday]), 'view_messages', crew).allowed).toBe(true)
    expect(can(holding(['user', everyday]), 'view_messages', crew)).toEqual({
      allowed: false,
      because: { by: 'private' },
    })
    const closed = { roles: new Map([['user', new Map([['view_messages', false]])]]), members: new Map() }
    const inside = { ...crew, isMember: true, overrides: closed as Overrides }
    expect(can(holding(['user', everyday]), 'view_messages', inside)).toEqual({
      allowed: true,
      because: { by: 'membership' },
    })
  })
})
