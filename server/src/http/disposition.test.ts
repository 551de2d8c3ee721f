import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contentDisposition } from './disposition.ts'

test.each([
  ['report.pdf', 'attachment; filename="report.pdf"'],
  ['a b.txt', 'attachment; filename="a b.txt"'],
  ['a"b\\c.txt', `attachment; filename="a_b_c.txt"; filename*=UTF-8''a%22b%5Cc.txt`],
  ['100%.txt', `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`],
  ['Übung.pdf', `attachment; filename="_bung.pdf"; filename*=UTF-8''%C3%9Cbung.pdf`],
  ["it's (1)*.txt", `attachment; filename="it's (1)*.txt"`],
])('%s', (name, header) => {
  expect(contentDisposition('attachment', name)).toBe(header)
})

test('whatever the name, the header is one line of ASCII and gives the name back', () => {
  const name = fc.string({ unit: 'binary', minLength: 1 }).map((text) => text.replace(/\p{Cc}/gu, ''))
  fc.assert(
    fc.property(name, (text) => {
      const header = contentDisposition('inline', text)
      expect(header).toMatch(/^[\x20-\x7e]*$/)
      const extended = /filename\*=UTF-8''(.*)$/.exec(header)?.[1]
      const plain = /filename="([^"]*)"/.exec(header)![1]
      expect(extended === undefined ? plain : decodeURIComponent(extended)).toBe(text.toWellFormed())
    }),
  )
})
