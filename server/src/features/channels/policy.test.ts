import fc from 'fast-check'
import { expect, test } from 'vitest'
import { allRights, type Right } from '#lib/rights.ts'
import { maySeeChannel } from './policy.ts'

const rights = fc.subarray([...allRights]).map((list) => new Set<Right>(list))

test('a public channel is seen by everybody', () => {
  fc.assert(
    fc.property(fc.boolean(), rights, (isMember, held) => {
      expect(maySeeChannel({ isPrivate: false }, { isMember, rights: held })).toBe(true)
    }),
  )
})

test('a private channel is seen by its members, and by who sees all of them, whatever other rights there are', () => {
  fc.assert(
    fc.property(fc.boolean(), rights, (isMember, held) => {
      expect(maySeeChannel({ isPrivate: true }, { isMember, rights: held })).toBe(
        isMember || held.has('view_private_channels'),
      )
    }),
  )
})
