import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fillSlots, hasSlots, slot } from './slots.ts'

const key = fc.stringMatching(/^[\w-]{1,60}$/)

test('filled text is JSON that says what was put in, wherever the slots are and whatever is around them', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string({ unit: 'binary' }), key)), fc.boolean(), (parts, asBytes) => {
      const items = parts.map(([text, about]) => `{"text":${JSON.stringify(text)},"url":"/x?${slot(about)}"}`)
      const json = `[${items.join(',')}]`
      const source = asBytes ? Buffer.from(json) : json
      expect(hasSlots(source)).toBe(parts.length > 0)
      // Twice: what is kept is not changed by being filled.
      for (const reader of ['a', 'b']) {
        const filled = fillSlots(source, (about) => `${reader}=${about}`.padEnd(71, '.'))
        expect(JSON.parse(filled.toString())).toEqual(
          parts.map(([text, about]) => ({
            text: text.toWellFormed(),
            url: `/x?${`${reader}=${about}`.padEnd(71, '.')}`,
          })),
        )
      }
    }),
  )
})

test('text that people wrote is never taken for a slot', () => {
  const json = JSON.stringify({ message: `\u001a${'A'.repeat(22)}${'\u001a'.repeat(48)}` })
  expect(hasSlots(json)).toBe(false)
  expect(hasSlots(Buffer.from(json))).toBe(false)
})
