import { isIP } from 'node:net'
import { z } from 'zod'
import { isTimeZone } from '#lib/time-zone.ts'

/** What a setting may hold: the check, the sentence shown to whoever got it wrong, and how to read it from text. */
export interface Kind<T> {
  readonly type: z.ZodType<T>
  readonly allowed: string
  /** Turns the text of an environment variable into a candidate; `type` judges it afterwards. */
  readonly fromText: (text: string) => unknown
}

const asIs = (value: string): unknown => value

/** A whole number between two bounds, both included. */
export function integer(min: number, max: number): Kind<number> {
  return {
    type: z.int().min(min).max(max),
    allowed: `a whole number from ${min} to ${max}`,
    fromText: (value) => (/^-?\d{1,15}$/.test(value) ? Number(value) : value),
  }
}

const YES = new Set(['1', 'true', 'yes', 'on'])
const NO = new Set(['0', 'false', 'no', 'off'])

/** `true` or `false`; the environment may also say 1, 0, yes, no, on, off. */
export function flag(): Kind<boolean> {
  return {
    type: z.boolean(),
    allowed: 'true or false (in the environment also 1, 0, yes, no, on, off)',
    fromText: (value) => {
      const word = value.toLowerCase()
      return YES.has(word) || (NO.has(word) ? false : value)
    },
  }
}

/** One of a few words. */
export function oneOf<const T extends readonly string[]>(words: T): Kind<T[number]> {
  return { type: z.enum(words), allowed: `one of ${words.join(', ')}`, fromText: asIs }
}

/** Text that passes a test; `normalize` gives it its one canonical spelling. */
export function text(
  allowed: string,
  valid: (value: string) => boolean,
  normalize: (value: string) => string = (value) => value,
): Kind<string> {
  return { type: z.string().refine(valid).transform(normalize), allowed, fromText: asIs }
}

/** A time zone, by its name. */
export function timeZone(): Kind<string> {
  return text('a time zone such as Europe/Berlin', isTimeZone)
}

/** A list of texts; the environment separates them with commas. */
export function listOf<T extends string>(item: Kind<T>): Kind<readonly T[]> {
  return {
    type: z.array(item.type).readonly(),
    allowed: `a list, each item ${item.allowed} (in the environment separated by commas)`,
    fromText: (value) =>
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
  }
}

/** Same setting, but it may also be left out. */
export function optional<T>(kind: Kind<T>): Kind<T | undefined> {
  return { ...kind, type: kind.type.optional() }
}

/** An address to listen on. */
export function host(): Kind<string> {
  return text('an IP address (IPv6 without brackets) or a host name, without a port', isHost)
}

/** A list of port numbers; the environment separates them with commas. */
export function ports(): Kind<readonly number[]> {
  return {
    type: z.array(z.int().min(1).max(65_535)).readonly(),
    allowed: 'a list of port numbers (in the environment separated by commas)',
    fromText: (value) => value.split(',').map((part) => (/^ *\d{1,5} *$/.test(part) ? Number(part) : part)),
  }
}

/** A web origin: scheme, host and, if unusual, port. The empty text stands for the derived default. */
export function webOrigin(): Kind<string> {
  return text(
    'an origin such as https://chat.example.org, with http or https and without a path',
    (value) => value === '' || isWebOrigin(value),
    (value) => value && new URL(value).origin,
  )
}

/** An address to ask. The empty text stands for none. */
export function webAddress(): Kind<string> {
  return text(
    'an address such as https://example.org/latest, with http or https',
    (value) => value === '' || (/^https?:\/\/[^\s@\\#]+$/i.test(value) && URL.canParse(value)),
  )
}

/** An entry of a CORS list. Apps in a web view send origins of their own scheme, such as `tauri://localhost`. */
export function corsOrigin(): Kind<string> {
  return text(
    '"*" or an origin such as https://chat.example.org, without a path',
    (value) => value === '*' || isWebOrigin(value) || isAppOrigin(value),
    (value) => (isWebOrigin(value) ? new URL(value).origin : value.toLowerCase()),
  )
}

/** A network address or a block of them. */
export function addressBlock(): Kind<string> {
  return text('an IP address or a block such as 10.0.0.0/8', isAddressBlock)
}

/** Where the database is. The empty text stands for the SQLite file in the data folder. */
export function databaseUrl(): Kind<string> {
  return text(
    'sqlite:<path>, or postgres://host/database with user:password@ before the host (special characters percent-encoded)',
    (value) => value === '' || isSqliteUrl(value) || isPostgresUrl(value),
  )
}

/** Where Redis is. The empty text stands for none. */
export function redisUrl(): Kind<string> {
  return text(
    'redis://user:password@host:port/database, rediss:// for TLS, or unix:<path>',
    (value) => value === '' || /^unix:[^\0]*\/[^\0]+$/.test(value) || isRedisUrl(value),
  )
}

function isRedisUrl(value: string): boolean {
  return /^rediss?:\/\/[^\s]+$/.test(value) && URL.canParse(value)
}

/** Where a virus scanner listens. The empty text stands for none. */
export function clamdAddress(): Kind<string> {
  return text(
    'unix:<absolute path> or tcp:<host>:<port>',
    (value) => value === '' || /^unix:\/[^\0]+$/.test(value) || isTcpAddress(value),
  )
}

function isTcpAddress(value: string): boolean {
  const port = /^tcp:[^/?#@\s]+:(\d{1,5})$/.exec(value)?.[1]
  return port !== undefined && URL.canParse(value.replace('tcp:', 'tcp://')) && Number(port) > 0
}

/** The address of an object store; some have a path. The empty text stands for the one that needs no address. */
export function s3Endpoint(): Kind<string> {
  return text(
    'an address such as https://s3.example.org, with http or https',
    (value) => value === '' || (/^https?:\/\/[^?#@\\\s]+$/i.test(value) && URL.canParse(value)),
    (value) => value.replace(/\/+$/, ''),
  )
}

/** Tells URLs of STUN or TURN servers (RFC 7064, RFC 7065). */
export function isIceUrl(kind: 'stun' | 'turn'): (value: string) => boolean {
  const query = kind === 'turn' ? '(\\?transport=(udp|tcp))?' : ''
  const pattern = new RegExp(`^${kind}s?:([\\w.-]+|\\[[\\da-f:.]+\\])(:\\d{1,5})?${query}$`, 'i')
  return (value) => pattern.test(value)
}

function isHost(value: string): boolean {
  if (isIP(value) !== 0) return !value.includes('%')
  // The URL parser takes a name whose last part is a number for an address, and refuses it when it is a bad one.
  return /^[a-z\d_.-]{1,253}$/i.test(value) && /[a-z]/i.test(value) && URL.canParse(`http://${value}`)
}

function isWebOrigin(value: string): boolean {
  return /^https?:\/\/[^/?#@\\\s]+\/?$/i.test(value) && URL.canParse(value)
}

function isAppOrigin(value: string): boolean {
  return /^(?!https?:)[a-z][a-z\d+.-]*:\/\/[^/?#@\\\s,*]+$/i.test(value)
}

function isAddressBlock(value: string): boolean {
  const [address = '', prefix, ...rest] = value.split('/')
  const version = address.includes('%') ? 0 : isIP(address)
  if (version === 0 || rest.length > 0) return false
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128))
}

/** `sqlite://data/x.sqlite` looks like a relative path but would be an absolute one, hence refused. */
function isSqliteUrl(value: string): boolean {
  return /^sqlite:(?!\/\/[^/])[^\0]+$/.test(value) && !/^sqlite:\/*$/.test(value)
}

function isPostgresUrl(value: string): boolean {
  return /^postgres(ql)?:\/\//.test(value) && URL.canParse(value)
}
