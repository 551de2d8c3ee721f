import { expect, test } from 'vitest'
import { checkPreconditions, httpDate, rangeApplies } from './conditional.ts'

const at = Date.parse('2026-03-01T10:00:00.700Z')
const validators = { etag: '"abc"', modifiedAt: at }
const [then, before, after] = [httpDate(at), httpDate(at - 5000), httpDate(at + 5000)]

test.each([
  [{}, 'proceed'],
  [{ 'if-none-match': '"abc"' }, 'unchanged'],
  [{ 'if-none-match': 'W/"abc"' }, 'unchanged'],
  [{ 'if-none-match': '"x", "abc"' }, 'unchanged'],
  [{ 'if-none-match': '*' }, 'unchanged'],
  [{ 'if-none-match': '"ab"' }, 'proceed'],
  [{ 'if-none-match': 'abc' }, 'proceed'],
  // The tag decides; the time is not looked at.
  [{ 'if-none-match': '"x"', 'if-modified-since': after }, 'proceed'],
  [{ 'if-modified-since': then }, 'unchanged'],
  [{ 'if-modified-since': after }, 'unchanged'],
  [{ 'if-modified-since': before }, 'proceed'],
  [{ 'if-modified-since': 'yesterday' }, 'proceed'],
  [{ 'if-match': '"abc"' }, 'proceed'],
  [{ 'if-match': '*' }, 'proceed'],
  [{ 'if-match': 'W/"abc"' }, 'failed'],
  [{ 'if-match': '"x"' }, 'failed'],
  [{ 'if-match': '"abc"', 'if-unmodified-since': before }, 'proceed'],
  [{ 'if-unmodified-since': before }, 'failed'],
  [{ 'if-unmodified-since': then }, 'proceed'],
  [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'failed'],
])('%j: %s', (headers, outcome) => {
  expect(checkPreconditions(headers, validators)).toBe(outcome)
})

test.each([
  [undefined, true],
  ['"abc"', true],
  ['W/"abc"', false],
  ['"x"', false],
  [then, true],
  [before, false],
  [after, false],
  ['nonsense', false],
])('a range with If-Range %s applies: %s', (condition, applies) => {
  expect(rangeApplies(condition === undefined ? {} : { 'if-range': condition }, validators)).toBe(applies)
})
