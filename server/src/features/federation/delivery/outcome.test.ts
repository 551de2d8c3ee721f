import { describe, expect, test } from 'vitest'
import { EgressFailedError, EgressRefusedError } from '#egress/errors.ts'
import { breakerUntil, judgeAnswer, judgeError, nextAttempt, type Outcome } from './outcome.ts'
import { betterSignature, preferred } from './signature-choice.ts'

const NOW = Date.parse('2026-11-24T12:00:00Z')
const failed = (isDown: boolean, retryAfterMs = 0): Extract<Outcome, { kind: 'failed' }> => ({
  kind: 'failed',
  reason: 'x',
  isDown,
  retryAfterMs,
})

describe('an answer', () => {
  test.each([200, 201, 202, 204])('%i is a delivery', (status) => {
    expect(judgeAnswer(status, undefined, NOW).kind).toBe('delivered')
  })

  test.each([300, 301, 400, 403, 404, 405, 410, 413, 422, 451])('%i is final', (status) => {
    expect(judgeAnswer(status, undefined, NOW).kind).toBe('refused')
  })

  test.each([
    [401, false],
    [408, false],
    [429, true],
    [500, false],
    [501, false],
    [502, true],
    [503, true],
    [504, true],
  ])('%i is for now, and about the peer: %s', (status, isDown) => {
    expect(judgeAnswer(status, undefined, NOW)).toMatchObject({ kind: 'failed', isDown })
  })

  test.each([
    ['120', 120_000],
    ['Tue, 24 Nov 2026 12:05:00 GMT', 300_000],
    ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
    ['999999999', 6 * 3600_000],
    ['soon', 0],
    ['-5', 0],
  ])('a Retry-After of %j is %i ms', (field, retryAfterMs) => {
    expect(judgeAnswer(503, field, NOW)).toMatchObject({ retryAfterMs })
  })
})

test('an error of the network is for now, a refusal of ours is final, a mistake of ours is thrown', () => {
  expect(judgeError(new EgressFailedError('x'))).toMatchObject({ kind: 'failed', isDown: true })
  expect(judgeError(new EgressRefusedError('x'))).toMatchObject({ kind: 'refused' })
  expect(() => judgeError(new TypeError('x'))).toThrow(TypeError)
})

test('attempts come after 30 s, 2 min, 10 min, 1 h and 6 h, and then no more', () => {
  const steps = [1, 2, 3, 4, 5, 6, 7].map((attempts) => nextAttempt(attempts, NOW))
  expect(steps.map((at) => at && (at - NOW) / 1000)).toEqual([
    30,
    120,
    600,
    3600,
    21_600,
    undefined,
    undefined,
  ])
})

test('the breaker opens at once for a peer that is down, and otherwise when nothing goes through', () => {
  const seconds = (failures: number, outcome: Extract<Outcome, { kind: 'failed' }>): number | undefined => {
    const until = breakerUntil(failures, outcome, NOW)
    return until && (until - NOW) / 1000
  }
  expect([1, 2, 3, 4, 5, 6, 50].map((failures) => seconds(failures, failed(true)))).toEqual([
    30, 120, 600, 3600, 21_600, 3600, 3600,
  ])
  expect([1, 2, 3].map((failures) => seconds(failures, failed(false)))).toEqual([undefined, undefined, 600])
  expect(seconds(1, failed(true, 100_000))).toBe(100)
  expect(seconds(3, failed(true, 100_000))).toBe(600)
})

describe('how to sign', () => {
  const peer = (changes: object) => ({
    host: 'peer.example',
    first_seen_at: 0,
    heard_at: null,
    delivered_at: null,
    failed_at: null,
    failure: null,
    failures: 0,
    retry_at: null,
    latency_ms: null,
    signature: 'draft-cavage' as const,
    signature_refused_at: null,
    ...changes,
  })
  const offer = (field: string, status = 202) =>
    betterSignature(peer({}), { status, headers: { 'accept-signature': field } }, NOW)

  test.each([
    ['sig1=("@method" "@target-uri" "content-digest");alg="ed25519"', { signature: 'rfc9421-ed25519' }],
    ['a=("@method");alg="rsa-v1_5-sha256", b=("@method");alg="ed25519"', { signature: 'rfc9421-ed25519' }],
    ['sig1=("@method" "@target-uri");created;keyid', { signature: 'rfc9421-rsa' }],
    ['sig1=("@method" "x-secret")', undefined],
    ['sig1=("@method");alg="hmac-sha256"', undefined],
    ['sig1', undefined],
    ['(((', undefined],
    ['x'.repeat(5000), undefined],
  ])('an offer of %s', (field, change) => expect(offer(field)).toEqual(change))

  test('an offer that comes with a refusal is none', () => {
    expect(offer('sig1=("@method");alg="ed25519"', 401)).toBeUndefined()
  })

  test('a peer that refuses the better way gets the usual one for a week', () => {
    const better = peer({ signature: 'rfc9421-ed25519' })
    const back = betterSignature(better, { status: 401, headers: {} }, NOW)
    expect(back).toEqual({ signature: 'draft-cavage', signature_refused_at: NOW })
    expect(preferred(peer(back!), 'rfc9421-rsa', NOW + 1000)).toBeUndefined()
    expect(preferred(peer(back!), 'rfc9421-rsa', NOW + 8 * 24 * 3600_000)).toEqual({
      signature: 'rfc9421-rsa',
    })
    expect(preferred(better, 'rfc9421-rsa', NOW)).toBeUndefined()
  })
})
