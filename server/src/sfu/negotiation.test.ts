import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Negotiation } from './negotiation.ts'
import { parseDescription, SdpError } from './sdp/parse.ts'
import { writeDescription } from './sdp/write.ts'

const HEAD = ['v=0', 'o=- 1 2 IN IP4 127.0.0.1', 's=-', 't=0 0']
const FINGERPRINT = Array(32).fill('AB').join(':')

/** What Chromium offers, with so many microphones, each in a section of `direction`. */
function offer(sections: { kind?: string; direction?: string; mid?: string; lines?: string[] }[]): string {
  const mids = sections.map(({ mid }, index) => mid ?? String(index))
  return [
    ...HEAD,
    `a=group:BUNDLE ${mids.join(' ')}`,
    ...sections.flatMap(({ kind = 'audio', direction = 'sendrecv', lines = [] }, index) => [
      `m=${kind} 9 UDP/TLS/RTP/SAVPF 109 63 0 13`,
      'c=IN IP4 0.0.0.0',
      'a=ice-ufrag:abcd',
      'a=ice-pwd:0123456789012345678901',
      `a=fingerprint:sha-256 ${FINGERPRINT}`,
      'a=setup:actpass',
      `a=mid:${mids[index]}`,
      `a=${direction}`,
      'a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
      'a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid',
      'a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
      'a=msid:stream microphone',
      'a=rtcp-mux',
      'a=rtpmap:109 opus/48000/2',
      'a=rtcp-fb:109 transport-cc',
      'a=rtcp-fb:109 nack',
      'a=rtpmap:63 red/48000/2',
      'a=rtpmap:0 PCMU/8000',
      ...lines,
    ]),
    '',
  ].join('\r\n')
}

function negotiation(options: { slotsInAnswer?: boolean } = {}): Negotiation {
  let ssrc = 100
  return new Negotiation({
    opusParameters: 'minptime=10',
    newSsrc: () => ssrc++,
    slotsInAnswer: options.slotsInAnswer ?? false,
  })
}

const facts = {
  version: 1,
  ufrag: 'ours',
  password: 'secret',
  fingerprint: 'AA:BB',
  setup: 'passive',
  candidates: [
    { protocol: 'udp', address: '192.0.2.7', port: 7576 },
    { protocol: 'tcp', address: '2001:db8::7', port: 7576 },
  ],
} as const

test("an answer takes Opus under the client's number, its level and mid, and nothing that is not given back", () => {
  const sdp = writeDescription(facts, negotiation().acceptOffer(offer([{ lines: ['a=ssrc:77 cname:x'] }])))
  const lines = sdp.split('\r\n')
  expect(lines).toContain('m=audio 7576 UDP/TLS/RTP/SAVPF 109')
  expect(lines).toContain('a=recvonly')
  expect(lines).toContain('a=ice-lite')
  expect(lines).toContain('a=setup:passive')
  expect(lines).toContain('a=rtcp-fb:109 nack')
  expect(lines).toContain('a=extmap:14 urn:ietf:params:rtp-hdrext:ssrc-audio-level')
  expect(lines).toContain('a=candidate:1 1 udp 2130706431 192.0.2.7 7576 typ host')
  expect(
    lines.some((line) => /^a=candidate:2 1 tcp \d+ 2001:db8::7 7576 typ host tcptype passive$/.test(line)),
  ).toBe(true)
  expect(sdp).not.toMatch(/red|PCMU|transport-cc|draft-holmer/)
})

test('what is not audio is refused, section by section', () => {
  const sections = negotiation().acceptOffer(offer([{}, { kind: 'video' }, { kind: 'application' }]))
  expect(sections.map(({ use }) => use)).toEqual(['audio', 'rejected', 'rejected'])
  expect(writeDescription(facts, sections)).toContain('a=group:BUNDLE 0\r\n')
})

test('sections to listen in become places for others; one to talk in only where no offer can follow', () => {
  const sections = negotiation().acceptOffer(offer([{}, { direction: 'recvonly' }]))
  expect(sections.map((one) => one.use === 'audio' && one.direction)).toEqual(['recvonly', 'sendonly'])
  const direct = negotiation({ slotsInAnswer: true }).acceptOffer(offer([{}, { direction: 'recvonly' }]))
  expect(direct.map((one) => one.use === 'audio' && one.direction)).toEqual(['sendrecv', 'sendonly'])
})

test('a place that was given up is taken again under another mid, and never two at once', () => {
  const one = negotiation()
  one.acceptOffer(offer([{}]))
  const answer = (sections: { mid: string; direction?: string }[]): string =>
    offer(sections).replaceAll('actpass', 'active')
  one.wantSlot('ann-mic')
  const first = one.createOffer()
  expect(first.map(({ mid }) => mid)).toEqual(['0', 's0'])
  expect(one.isPending).toBe(true)
  one.acceptAnswer(answer([{ mid: '0' }, { mid: 's0', direction: 'recvonly' }]))
  expect(one.slots.map(({ line }) => line.track)).toEqual(['ann-mic'])
  one.dropSlot('s0')
  expect(one.createOffer()[1]).toMatchObject({ use: 'rejected', mid: 's0' })
  one.acceptAnswer(answer([{ mid: '0' }, { mid: 's0' }]).replace(/m=audio 9(?=[^m]*s0)/, 'm=audio 0'))
  one.wantSlot('bob-mic')
  one.wantSlot('cid-mic')
  expect(one.createOffer().map(({ mid }) => mid)).toEqual(['0', 's1', 's2'])
})

test.each([
  ['nothing', ''],
  ['no description', 'v=1'],
  ['no ICE', `${HEAD.join('\r\n')}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n`],
  ['a weak fingerprint', offer([{}]).replace('sha-256', 'sha-1')],
  ['a client that waits for the handshake', offer([{}]).replace('actpass', 'passive')],
  ['the same mid twice', offer([{ mid: 'a' }, { mid: 'a' }])],
  ['too many sections', offer(Array.from({ length: 65 }, () => ({})))],
  ['too many lines', offer([{ lines: Array.from({ length: 5000 }, () => 'a=x') }])],
  ['too much', offer([{ lines: ['a='.padEnd(200_000, 'x')] }])],
  ['a malformed section', offer([{}]).replace('m=audio 9', 'm=audio')],
])('%s is refused with a reason, and changes nothing', (_what, sdp) => {
  const one = negotiation()
  expect(() => one.acceptOffer(sdp)).toThrow(SdpError)
  expect(one.publications).toEqual([])
  expect(one.acceptOffer(offer([{}]))).toHaveLength(1)
  const before = one.publications
  expect(() => one.acceptOffer(sdp)).toThrow(SdpError)
  expect(one.publications).toEqual(before)
})

test('no text makes the parser do anything but read or refuse it', () => {
  const line = fc.oneof(
    fc.constantFrom(...offer([{}]).split('\r\n')),
    fc.string({ maxLength: 60 }),
    fc.string({ maxLength: 40 }).map((text) => `a=${text}`),
    fc.string({ maxLength: 40 }).map((text) => `m=${text}`),
    fc.constantFrom(
      'a=ssrc:99999999999 x',
      'a=extmap:0 x',
      'a=rtpmap:300 opus/48000/2',
      'a=msid:a b c',
      'a=mid:',
    ),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), (lines) => {
      const one = negotiation()
      const sdp = ['v=0', ...lines].join('\r\n')
      try {
        parseDescription(sdp)
        writeDescription(facts, one.acceptOffer(sdp))
      } catch (error) {
        expect(error).toBeInstanceOf(SdpError)
      }
    }),
  )
})
