import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cleanFileName } from './file-name.ts'

test.each([
  ['photo.jpg', 'photo.jpg'],
  ['../../etc/passwd', 'passwd'],
  ['C:\\Users\\ann\\secret.doc', 'secret.doc'],
  ['a\r\nSet-Cookie: x=1.txt', 'a Set-Cookie: x=1.txt'],
  ['bad\u0000name.txt', 'badname.txt'],
  ['invoice\u202egpj.exe', 'invoicegpj.exe'],
  ['a\u200bb\ufeff.txt', 'ab.txt'],
  ['...', 'file'],
  ['', 'file'],
  ['/', 'file'],
  ['.htaccess', 'htaccess'],
  ['  name  .txt ', 'name  .txt'],
  ['cafe\u0301.txt', 'café.txt'],
  [`${'x'.repeat(300)}.pdf`, `${'x'.repeat(251)}.pdf`],
])('%j is kept as %j', (given, kept) => {
  expect(cleanFileName(given)).toBe(kept)
})

test('whatever is given, what is kept is a name for a file and does not change again', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (given) => {
      const kept = cleanFileName(given)
      expect(kept).not.toMatch(/[/\\\p{Cc}\u202a-\u202e\u2066-\u2069]|^\.|^\s|\s$/u)
      expect(kept.length).toBeGreaterThan(0)
      expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(255)
      expect(cleanFileName(kept)).toBe(kept)
    }),
    { numRuns: 500 },
  )
})
