import fc from 'fast-check'
import { expect, test } from 'vitest'
import { channelIdOf, conversationIdOf } from './conversation-id.ts'

test('a conversation and its channel name each other', () => {
  fc.assert(
    fc.property(fc.uuid(), (channelId) => {
      expect(conversationIdOf(channelId)).toMatch(/^dm-[0-9a-f]{32}$/)
      expect(channelIdOf(conversationIdOf(channelId))).toBe(channelId)
      expect(channelIdOf(channelId)).toBe(channelId)
    }),
  )
})

test('what is no conversation id stays as it is', () => {
  for (const text of ['', 'dm-', 'dm-xyz', `dm-${'A'.repeat(32)}`, `dm-${'0'.repeat(33)}`]) {
    expect(channelIdOf(text)).toBe(text)
  }
})
