import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Context } from '#context'
import { isId } from '#lib/id.ts'
import { fillSlots, hasSlots } from '#lib/slots.ts'

const HOUR = 3600 * 1000
const PEER_DAYS = 30
const FORM = /^exp=(\d{10})&viewer=([\w-]{22})&sig=([\w-]{22})$/

/**
 * Links to files that work without a token, for `<img src>` and players: `exp` says until when, `viewer` names the
 * session that the link was given to, `sig` binds both to the file. Whoever uses one is that session, with what it may
 * see at that moment: a link gives no more than its session has, and ends with it. See ADR 0011.
 */
export class FileLinks {
  readonly #keyring: Context['keyring']
  readonly #clock: Context['clock']
  readonly #windowMs: number

  /** @param hours how long a link is good */
  constructor(ctx: Pick<Context, 'keyring' | 'clock'>, hours: number) {
    this.#keyring = ctx.keyring
    this.#clock = ctx.clock
    this.#windowMs = (hours * HOUR) / 2
  }

  /**
   * The query of a link. It stays the same for half of its life, so that browsers find what they loaded before.
   *
   * @returns as many ASCII characters as a slot has
   */
  sign(fileId: string, sessionId: string): string {
    const end = (Math.floor(this.#clock() / this.#windowMs) + 2) * this.#windowMs
    const exp = String(Math.floor(end / 1000)).padStart(10, '0')
    const viewer = Buffer.from(sessionId.replaceAll('-', ''), 'hex').toString('base64url')
    return `exp=${exp}&viewer=${viewer}&sig=${this.#signature(fileId, exp, sessionId)}`
  }

  /** Fills the slots of JSON text with links for one session. Text without slots comes back as it is. */
  fill<T extends string | Buffer>(json: T, sessionId: string): T | Buffer {
    return hasSlots(json) ? fillSlots(json, (fileId) => this.sign(fileId, sessionId)) : json
  }

  /**
   * Checks the query of a link.
   *
   * @returns the session it was given to; `expired` when it was good once; undefined when it never was
   */
  verify(
    fileId: string,
    query: { readonly exp: string; readonly viewer: string; readonly sig: string },
  ): { readonly sessionId: string } | 'expired' | undefined {
    const [, exp, viewer, sig] = FORM.exec(`exp=${query.exp}&viewer=${query.viewer}&sig=${query.sig}`) ?? []
    if (exp === undefined) return undefined
    const hex = Buffer.from(viewer!, 'base64url').toString('hex')
    const sessionId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
    if (!isId(sessionId)) return undefined
    const expected = Buffer.from(this.#signature(fileId, exp, sessionId))
    if (!timingSafeEqual(expected, Buffer.from(sig!))) return undefined
    return Number(exp) * 1000 > this.#clock() ? { sessionId } : 'expired'
  }

  /**
   * The query of a link for another server, which fetches what somebody there was sent. It is good for a month, as a
   * delivery may wait, and for whoever has it.
   */
  signForPeer(fileId: string, host: string): string {
    const exp = String(Math.floor((this.#clock() + PEER_DAYS * 24 * HOUR) / 1000)).padStart(10, '0')
    const peer = encodeURIComponent(host)
    return `exp=${exp}&peer=${peer}&sig=${this.#signature(fileId, exp, `peer ${host}`)}`
  }

  /** Whether the query of a link for another server is good. */
  verifyForPeer(
    fileId: string,
    query: { readonly exp: string; readonly peer: string; readonly sig: string },
  ): boolean {
    if (!/^\d{10}$/.test(query.exp) || Number(query.exp) * 1000 <= this.#clock()) return false
    const expected = Buffer.from(this.#signature(fileId, query.exp, `peer ${query.peer}`))
    const given = Buffer.from(query.sig)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }

  /** The first half of an HMAC-SHA-256, which RFC 2104 (section 5) has as the least to be kept. */
  #signature(fileId: string, exp: string, viewer: string): string {
    return createHmac('sha256', this.#keyring.current('file_link').key)
      .update(`file-link/v1/${fileId}/${exp}/${viewer}`)
      .digest()
      .toString('base64url', 0, 16)
  }
}
