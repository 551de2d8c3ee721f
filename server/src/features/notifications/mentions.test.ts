import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MAX_NAMES, mentionsIn } from './mentions.ts'

test.each([
  ['hello', undefined],
  ['@ann', ['ann']],
  ['hi @Ann, and (@bob.b) or "@c_c-c"!', ['ann', 'bob.b', 'c_c-c']],
  ['@ann.', ['ann.', 'ann']],
  ['two@mail.example and a@@b', undefined],
  ['@ ann', undefined],
  ['`@ann` and ```\n@bob\n``` but @cyd', ['cyd']],
  ['one ` @ann', ['ann']],
  ['@Jürgen @مريم @李', ['jürgen', 'مريم', '李']],
])('%j speaks to %j', (text, names) => {
  expect(mentionsIn(text)?.names).toEqual(names)
})

test('some words speak to many', () => {
  expect(mentionsIn('@channel!')).toEqual({ names: [], everybody: true, here: false })
  expect(mentionsIn('@EVERYONE')).toMatchObject({ everybody: true })
  expect(mentionsIn('@here: lunch')).toEqual({ names: [], everybody: false, here: true })
  expect(mentionsIn('@channels')).toMatchObject({ names: ['channels'], everybody: false })
})

test('a name is found wherever it stands, and a long text takes no long time', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z\d]{1,32}$/), fc.string(), (name, before) => {
      fc.pre(!['channel', 'everyone', 'here'].includes(name) && !/[`@]/.test(before))
      expect(mentionsIn(`${before} @${name} `)?.names).toContain(name)
    }),
  )
  for (const hostile of ['@', '@a', '`', '@.', '```@', '@a-', '(@', `@${'-'.repeat(9)}`]) {
    const start = performance.now()
    mentionsIn(hostile.repeat(50_000))
    expect(performance.now() - start).toBeLessThan(1000)
  }
  const start = performance.now()
  mentionsIn(`@a${'-'.repeat(400_000)}b`)
  expect(performance.now() - start).toBeLessThan(1000)
  const many = Array.from({ length: 1000 }, (_, index) => `@n${index}`).join(' ')
  expect(mentionsIn(many)?.names).toHaveLength(MAX_NAMES)
})
