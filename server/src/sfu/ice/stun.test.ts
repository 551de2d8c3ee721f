import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bindingRequest, bindingResponse, errorResponse, hasIntegrity, parseStun, StunType } from './stun.ts'

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex')

// RFC 5769, sections 2.1 to 2.3.
const password = 'VOkJxbRl1RmTxUk/WvJxBt'
const sampleRequest = hex(`
  00010058 2112a442 b7e7a701 bc34d686 fa87dfae
  80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
  80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
  00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf`)
const sampleResponse4 = hex(`
  0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
  00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
  80280004 c07d4c96`)
const sampleResponse6 = hex(`
  01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
  00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
  00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c`)

test('the sample messages of RFC 5769 are understood and prove authentic', () => {
  const request = parseStun(sampleRequest)!
  expect(request).toMatchObject({
    type: StunType.request,
    username: 'evtj:h6vY',
    isControlled: true,
    unknown: [],
  })
  expect(hasIntegrity(request, password)).toBe(true)
  expect(hasIntegrity(request, 'another password')).toBe(false)
  const response4 = parseStun(sampleResponse4)!
  expect(response4.mappedAddress).toEqual({ address: '192.0.2.1', port: 32853 })
  expect(hasIntegrity(response4, password)).toBe(true)
  const response6 = parseStun(sampleResponse6)!
  expect(response6.mappedAddress).toEqual({ address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 })
  expect(hasIntegrity(response6, password)).toBe(true)
})

test('an answer tells the address it was asked from, for IPv4 and IPv6', () => {
  const request = parseStun(sampleRequest)!
  for (const address of ['203.0.113.9', '2001:db8::7', '::1', '::ffff:192.0.2.1']) {
    const response = parseStun(bindingResponse(request, { address, port: 40_001 }, 'secret'))!
    expect(response.type).toBe(StunType.response)
    const canonical = address === '::ffff:192.0.2.1' ? '::ffff:c000:201' : address
    expect(response.mappedAddress).toEqual({ address: canonical, port: 40_001 })
    expect(hasIntegrity(response, 'secret')).toBe(true)
  }
})

test('a refusal names the attributes that were not understood', () => {
  const raw = Buffer.from(sampleRequest)
  const request = parseStun(
    errorResponse({ ...parseStun(raw)!, unknown: [0x7001] }, 420, 'Unknown', 'secret'),
  )!
  expect(request.type).toBe(StunType.error)
  expect(request.raw.includes(hex('000a 0002 7001'))).toBe(true)
})

test('a changed byte is noticed, and nothing that is sent throws', () => {
  const transaction = Buffer.alloc(12, 7)
  const request = bindingRequest({ transaction, username: 'a:b', password: 'secret', useCandidate: true })
  expect(parseStun(request)).toMatchObject({ username: 'a:b', useCandidate: true })
  for (let at = 0; at < request.length; at++) {
    const changed = Buffer.from(request)
    changed[at]! ^= 1
    const parsed = parseStun(changed)
    expect(parsed === undefined || !hasIntegrity(parsed, 'secret'), `byte ${at}`).toBe(true)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseStun(Buffer.from(bytes))
      parseStun(Buffer.concat([request.subarray(0, 20), bytes]))
    }),
  )
})
