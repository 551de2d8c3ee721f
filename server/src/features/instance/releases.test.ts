import { expect, test } from 'vitest'
import { isNewer } from './releases.ts'

test.each([
  ['v0.2.0', '0.1.9', true],
  ['0.10.0', '0.9.0', true],
  ['1.0', '0.99.99', true],
  ['v1.0.0', 'v1.0.0-rc.1', true],
  ['v1.0.0-rc.1', '1.0.0', false],
  ['v1.0.0+build', '1.0.0', false],
  ['0.1.0', '0.1.0', false],
  ['0.0.9', '0.1.0', false],
  ['nightly', '0.1.0', false],
])('%s after %s: %s', (one, other, newer) => {
  expect(isNewer(one, other)).toBe(newer)
})
