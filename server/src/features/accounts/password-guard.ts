import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { Client } from '#http/client-address.ts'
import type { Charge } from '#http/rate-limit/store.ts'
import { Generations } from '#lib/generations.ts'

const WINDOW_MS = 15 * 60_000
/** All addresses together may be wrong so many times as often as one. */
const ADDRESSES_FACTOR = 5
const KNOWN_ADDRESSES = 20_000
const TOO_OFTEN = 'Too many wrong passwords; try again later'

/**
 * Checks passwords, but not for those who guess: wrong ones are counted for each name and address, and for each name
 * whatever the addresses. Names that nobody has are counted like the others.
 *
 * Whoever guesses from many addresses cannot keep the person out: from where they signed in before, only what is
 * wrong there counts.
 */
export class PasswordGuard {
  readonly #ctx: Pick<Context, 'limiter' | 'settings' | 'passwords'>
  readonly #known = new Generations<string, true>(KNOWN_ADDRESSES)

  constructor(ctx: Pick<Context, 'limiter' | 'settings' | 'passwords'>) {
    this.#ctx = ctx
  }

  /**
   * Whether this is the password of an account, asked by somebody who says they are its person.
   *
   * @param nameKey case-folded name, as it was typed
   * @param stored hash of the account's password; undefined if there is no such account
   * @throws HttpError 429, 503
   */
  async signIn(
    { nameKey, client }: { nameKey: string; client: Client },
    stored: string | undefined,
    password: string,
  ): Promise<boolean> {
    const name = createHash('sha256').update(nameKey).digest('base64url').slice(0, 22)
    const place = `${name}@${client.key}`
    const limit = this.#ctx.settings.current.max_sign_in_failures
    const here = { subject: place, bucket: 'sign_in', limit }
    const anywhere = { subject: name, bucket: 'sign_in', limit: limit * ADDRESSES_FACTOR }
    const counted = this.#known.get(place) ? [here] : [here, anywhere]
    const matches = await this.#check(counted, stored, password)
    if (matches) this.#known.set(place, true)
    return matches
  }

  /**
   * Whether this is the password of somebody who is signed in: a stolen token must not be good for guessing it.
   *
   * @throws HttpError 429, 503
   */
  confirm(userId: string, stored: string, password: string): Promise<boolean> {
    const limit = this.#ctx.settings.current.max_sign_in_failures
    return this.#check([{ subject: userId, bucket: 'confirm', limit }], stored, password)
  }

  /** Counts before the check, so that guesses at the same moment count too, and takes back what was right. */
  async #check(counted: readonly Charge[], stored: string | undefined, password: string): Promise<boolean> {
    const takeBack = await this.#ctx.limiter.attempt(counted, WINDOW_MS, TOO_OFTEN)
    try {
      const matches = await this.#ctx.passwords.verify(stored, password)
      if (matches) await takeBack()
      return matches
    } catch (error) {
      await takeBack()
      throw error
    }
  }
}
