import fc from 'fast-check'
import { expect, test } from 'vitest'
import { directConversationId } from './open.ts'
import { acceptFrom, judgeApproach, otherOf, pairKeyOf } from './policy.ts'

const approaches = fc.record({
  isBlocked: fc.boolean(),
  acceptFrom: fc.constantFrom(...acceptFrom),
  areAcquainted: fc.boolean(),
})

test('a block refuses, whatever else there is', () => {
  fc.assert(
    fc.property(approaches, (approach) => {
      expect(judgeApproach({ ...approach, isBlocked: true })).toBe('refuse')
    }),
  )
})

test('to be acquainted never makes it harder', () => {
  const ease = { open: 2, ask: 1, refuse: 0 }
  fc.assert(
    fc.property(approaches, (approach) => {
      const [known, stranger] = [true, false].map((areAcquainted) =>
        judgeApproach({ ...approach, areAcquainted }),
      )
      expect(ease[known!]).toBeGreaterThanOrEqual(ease[stranger!])
    }),
  )
})

test('two people have one key, in which each finds the other', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.uuid(), (a, b) => {
      expect(pairKeyOf(a, b)).toBe(pairKeyOf(b, a))
      expect(otherOf(pairKeyOf(a, b), a)).toBe(b)
      expect(otherOf(pairKeyOf(a, b), b)).toBe(a)
    }),
  )
})

test('the id of a conversation is what every server comes to', () => {
  const a = 'https://a.example/ap/users/1'
  const b = 'https://b.example/ap/users/2'
  // printf 'https://a.example/ap/users/1::https://b.example/ap/users/2' | sha256sum
  expect(directConversationId([a, b])).toBe('dm-7160d90d6e8613992a2d0ca52098e46f')
  expect(directConversationId([b, a])).toBe(directConversationId([a, b]))
})
