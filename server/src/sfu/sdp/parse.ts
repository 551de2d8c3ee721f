import type { Fingerprint } from '../dtls/client-certificate.ts'

/** What a client sent is no description that this server can work with. The message is for the client. */
export class SdpError extends Error {}

export interface Codec {
  readonly payloadType: number
  /** In lower case. */
  readonly name: string
  readonly clockRate: number
  readonly channels: number
  /** Feedback messages that were offered for it, such as `nack`. */
  readonly feedback: readonly string[]
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** One m-line and what follows it. */
export interface MediaSection {
  readonly kind: string
  readonly protocol: string
  /** The formats as written, for echoing them. */
  readonly formats: readonly string[]
  readonly port: number
  readonly mid: string
  readonly direction: Direction
  readonly codecs: readonly Codec[]
  /** Header extensions: id by URI. */
  readonly extensions: ReadonlyMap<string, number>
  readonly ssrcs: readonly number[]
  /** Id of the track as its sender calls it. */
  readonly track: string | undefined
  readonly ufrag: string | undefined
  readonly fingerprint: Fingerprint | undefined
  readonly setup: string | undefined
}

/** A session description (RFC 8866) of a WebRTC client. */
export interface Description {
  readonly sections: readonly MediaSection[]
  /** The mids that share one transport. */
  readonly bundle: ReadonlySet<string>
}

export const MAX_SECTIONS = 64
const MAX_LENGTH = 128 * 1024
const MAX_LINES = 4000
const MAX_SSRCS = 8
const TOKEN = /^[\w.+/=-]{1,64}$/

/** The attributes of one section, or of the session before the first. */
interface Lines {
  readonly attributes: [name: string, value: string][]
}

/** @throws SdpError */
export function parseDescription(sdp: string): Description {
  if (sdp.length > MAX_LENGTH) throw new SdpError('the session description is too long')
  const lines = sdp.split(/\r\n|\r|\n/)
  if (lines.length > MAX_LINES) throw new SdpError('the session description has too many lines')
  if (lines[0] !== 'v=0') throw new SdpError('this is not a session description')
  const session: Lines = { attributes: [] }
  const media: (Lines & { line: string })[] = []
  for (const line of lines) {
    if (line.startsWith('m=')) media.push({ line: line.slice(2), attributes: [] })
    else if (line.startsWith('a=')) {
      const colon = line.indexOf(':')
      const [name, value] = colon < 0 ? [line.slice(2), ''] : [line.slice(2, colon), line.slice(colon + 1)]
      ;(media.at(-1) ?? session).attributes.push([name, value.trim()])
    }
  }
  if (media.length > MAX_SECTIONS) throw new SdpError(`more than ${MAX_SECTIONS} media sections`)
  const sections = media.map((section, index) => parseSection(section, session, index))
  if (new Set(sections.map(({ mid }) => mid)).size !== sections.length)
    throw new SdpError('two media sections have the same mid')
  const group = valuesOf(session, 'group').find((value) => value.startsWith('BUNDLE'))
  return { sections, bundle: new Set(group?.split(' ').slice(1)) }
}

function parseSection(section: Lines & { line: string }, session: Lines, index: number): MediaSection {
  const match = /^(\w{1,32}) (\d{1,5})(?:\/\d+)? ([\w/]{1,64}) ([\w -]{1,1000})$/.exec(section.line)
  if (!match) throw new SdpError(`media section ${index} is malformed`)
  const [, kind = '', port = '', protocol = '', formats = ''] = match
  const valueOf = (name: string): string | undefined =>
    valuesOf(section, name)[0] ?? valuesOf(session, name)[0]
  const mid = valueOf('mid') ?? String(index)
  if (!TOKEN.test(mid)) throw new SdpError(`media section ${index} has a malformed mid`)
  const ufrag = valueOf('ice-ufrag')
  if (ufrag !== undefined && !/^[\w+/=-]{1,256}$/.test(ufrag)) throw new SdpError('ice-ufrag is malformed')
  return {
    kind,
    protocol,
    formats: formats.split(' '),
    port: Number(port),
    mid,
    direction: directionOf(section, session),
    codecs: codecsOf(section, formats.split(' ')),
    extensions: extensionsOf(section),
    ssrcs: ssrcsOf(section),
    track: trackOf(section),
    ufrag,
    fingerprint: fingerprintsOf(section, session),
    setup: valueOf('setup'),
  }
}

function valuesOf({ attributes }: Lines, name: string): string[] {
  return attributes.filter(([key]) => key === name).map(([, value]) => value)
}

function directionOf(section: Lines, session: Lines): Direction {
  const directions = ['sendrecv', 'sendonly', 'recvonly', 'inactive'] as const
  const has = (lines: Lines): Direction | undefined =>
    directions.find((one) => lines.attributes.some(([name]) => name === one))
  return has(section) ?? has(session) ?? 'sendrecv'
}

function codecsOf(section: Lines, formats: readonly string[]): Codec[] {
  const feedback = valuesOf(section, 'rtcp-fb').map((value) => value.split(/ (.*)/s))
  return valuesOf(section, 'rtpmap').flatMap((value) => {
    const match = /^(\d{1,3}) ([\w.-]{1,32})\/(\d{1,6})(?:\/(\d))?$/.exec(value)
    if (!match || !formats.includes(match[1]!) || Number(match[1]) > 127) return []
    return {
      payloadType: Number(match[1]),
      name: match[2]!.toLowerCase(),
      clockRate: Number(match[3]),
      channels: Number(match[4] ?? 1),
      feedback: feedback.filter(([type]) => type === match[1] || type === '*').map(([, kind = '']) => kind),
    }
  })
}

function extensionsOf(section: Lines): Map<string, number> {
  const extensions = new Map<string, number>()
  for (const value of valuesOf(section, 'extmap')) {
    const match = /^(\d{1,3})(?:\/\w+)? (\S{1,200})/.exec(value)
    const id = Number(match?.[1])
    if (match && id >= 1 && id <= 255 && id !== 15) extensions.set(match[2]!, id)
  }
  return extensions
}

function ssrcsOf(section: Lines): number[] {
  const numbers = valuesOf(section, 'ssrc').map((value) => Number(/^\d{1,10}(?= |$)/.exec(value)?.[0]))
  return [...new Set(numbers.filter((ssrc) => Number.isInteger(ssrc) && ssrc < 2 ** 32))].slice(0, MAX_SSRCS)
}

function trackOf(section: Lines): string | undefined {
  const track = valuesOf(section, 'msid')[0]?.split(' ')[1]
  return track !== undefined && /^[\w{}.-]{1,64}$/.test(track) ? track : undefined
}

function fingerprintsOf(section: Lines, session: Lines): Fingerprint | undefined {
  const own = valuesOf(section, 'fingerprint')
  for (const value of own.length > 0 ? own : valuesOf(session, 'fingerprint')) {
    const match = /^(sha-256|sha-384|sha-512) ((?:[\da-f]{2}:)+[\da-f]{2})$/i.exec(value)
    if (match) return { hash: match[1]!.toLowerCase() as Fingerprint['hash'], value: match[2]!.toUpperCase() }
  }
  return undefined
}
