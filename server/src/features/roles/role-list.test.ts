import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allRights } from '#lib/rights.ts'
import { builtInRoles, RoleList } from './role-list.ts'

const custom = fc
  .uniqueArray(
    fc.record({
      id: fc
        .stringMatching(/^[a-z0-9-]{1,8}$/)
        .filter((id) => !(builtInRoles as readonly string[]).includes(id)),
      name: fc.string(),
      rights: fc.subarray([...allRights, 'a_right_of_tomorrow']),
      position: fc.integer({ min: -5, max: 5 }),
    }),
    { selector: ({ id }) => id, maxLength: 8 },
  )
  .map((roles) => ({ roles, list: new RoleList(roles) }))

test('owner and admin are the highest, user is the lowest, and each role has a place of its own', () => {
  fc.assert(
    fc.property(custom, ({ roles, list }) => {
      const order = list.all.map(({ id }) => id)
      expect(order.slice(0, 2)).toEqual(['owner', 'admin'])
      expect(order.at(-1)).toBe('user')
      expect(new Set(order)).toEqual(new Set([...builtInRoles, ...roles.map(({ id }) => id)]))
      expect(order.length).toBe(roles.length + builtInRoles.length)
      for (const [place, id] of order.entries()) expect(list.placeOf(id)).toBe(place)
    }),
  )
})

test('positions above zero are above moderator, the others below, the greater the higher', () => {
  fc.assert(
    fc.property(custom, ({ roles, list }) => {
      for (const { id, position } of roles) {
        expect(list.placeOf(id) < list.placeOf('moderator')).toBe(position > 0)
        for (const other of roles) {
          if (position > other.position) expect(list.placeOf(id)).toBeLessThan(list.placeOf(other.id))
        }
      }
    }),
  )
})

test('rights add up, and ids that mean nothing give none', () => {
  fc.assert(
    fc.property(custom, fc.subarray([...builtInRoles, 'gone']), ({ roles, list }, some) => {
      const ids = [...some, ...roles.slice(0, 2).map(({ id }) => id)]
      const given = list.rightsOf(ids)
      for (const right of allRights) {
        expect(given.has(right)).toBe(ids.some((id) => list.get(id)?.rights.has(right)))
      }
      expect([...given].every((right) => allRights.includes(right))).toBe(true)
      expect(list.held(ids).map(({ id }) => id)).toEqual(list.inRankOrder(ids).filter((id) => list.get(id)))
    }),
  )
})

test('who holds nothing ranks below everybody', () => {
  const list = new RoleList([])
  expect(list.topPlace([])).toBeGreaterThan(list.topPlace(['user']))
  expect(list.topPlace(['user', 'admin'])).toBe(list.placeOf('admin'))
  expect(list.rightsOf([])).toEqual(new Set())
})
