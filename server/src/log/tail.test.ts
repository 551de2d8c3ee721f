import { expect, test } from 'vitest'
import { createLog } from './log.ts'
import { LogTail } from './tail.ts'

function logging() {
  const tail = new LogTail()
  const written: string[] = []
  const destination = { write: (line: string) => void written.push(line) }
  return { tail, written, log: createLog({ level: 'trace', format: 'json', destination, tail }) }
}
const messages = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).msg)

test('the newest lines come first, of a level and above, with a text in any case', () => {
  const { tail, log } = logging()
  log.debug('one')
  log.info({ channelId: 'C1' }, 'two')
  log.warn('three')
  log.error('four')
  expect(messages(tail.read({ lines: 10 }).lines)).toEqual(['four', 'three', 'two', 'one'])
  expect(messages(tail.read({ lines: 2 }).lines)).toEqual(['four', 'three'])
  expect(messages(tail.read({ lines: 10, level: 'warn' }).lines)).toEqual(['four', 'three'])
  expect(messages(tail.read({ lines: 10, search: 'c1' }).lines)).toEqual(['two'])
  expect(tail.read({ lines: 1, search: 'nothing' })).toEqual({ lines: [], total: 4 })
})

test('what it remembers is redacted, as what is written is', () => {
  const { tail, written, log } = logging()
  log.warn({ body: { password: 'swordfish' } }, 'GET /ws?auth_token=swordfish')
  log.info({ password: 'swordfish', deep: `${'x'.repeat(3000)}"password":"swordfish" `.repeat(5) }, 'long')
  expect(tail.read({ lines: 10 }).lines).toHaveLength(2)
  expect(JSON.stringify(tail.read({ lines: 10 })) + written.join()).not.toContain('swordfish')
})

test('however much is logged, it stays small', () => {
  const { tail, log } = logging()
  for (let i = 0; i < 12_000; i++) log.info(`line ${i}`)
  expect(tail.read({ lines: 1 })).toMatchObject({ total: 5000 })
  expect(messages(tail.read({ lines: 5000 }).lines).at(-1)).toBe('line 7000')
  for (let i = 0; i < 600; i++) log.info({ stack: 'y'.repeat(100_000) }, `long ${i}`)
  const { lines } = tail.read({ lines: 5000 })
  expect(lines.join('').length).toBeLessThan(2_100_000)
  expect(messages(lines)[0]).toBe('long 599')
})
