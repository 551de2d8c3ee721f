import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import type { Actor } from '#http/access.ts'
import { unauthorized } from '#http/errors.ts'
import { Lru } from '#lib/lru.ts'
import { verifyAccessToken, type AccessClaims } from './access-token.ts'
import { findLivingSession } from './store.ts'

const REMEMBERED = 20_000

type Deps = Pick<Context, 'config' | 'keyring' | 'clock' | 'instance' | 'db' | 'bus' | 'roles'>

/**
 * Tells whose a token is. Verifying a signature and reading a session both cost more than most requests, so
 * both are remembered: claims by the token's hash until they expire, sessions until an event says that the
 * session ended or its user changed.
 */
export class Authenticator implements Disposable {
  readonly #ctx: Deps
  readonly #claims = new Lru<string, AccessClaims>(REMEMBERED)
  readonly #sessions = new Lru<string, Actor>(REMEMBERED)
  readonly #unsubscribe: () => void
  /** Counts invalidations: what was read from the database before one must not be remembered after it. */
  #generation = 0

  constructor(ctx: Deps) {
    this.#ctx = ctx
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#forget(published))
  }

  /** @throws HttpError 401 when the token or its session does not count */
  async authenticate(token: string): Promise<Actor> {
    const hash = createHash('sha256').update(token).digest('base64')
    let claims = this.#claims.get(hash)
    if (!claims) {
      claims = await verifyAccessToken(this.#ctx, token)
      this.#claims.set(hash, claims)
    }
    if (claims.expiresAt <= this.#ctx.clock()) {
      this.#claims.delete(hash)
      throw unauthorized('The token has expired')
    }
    const actor = await this.check(claims.sessionId)
    if (actor.userId !== claims.userId) throw unauthorized('The token is not valid')
    return actor
  }

  /** Whose session this is, if it still stands. @throws HttpError 401 */
  async check(sessionId: string): Promise<Actor> {
    const known = this.#sessions.get(sessionId)
    if (known) return known
    const generation = this.#generation
    const rows = await findLivingSession(this.#ctx.db.read, sessionId)
    const first = rows[0]
    if (!first) throw unauthorized('The session has ended')
    const held = rows.flatMap(({ role_id }) => role_id ?? [])
    const actor: Actor = {
      ...this.#ctx.roles.standing(first.user_id, held, null),
      sessionId,
      username: first.username,
      roles: this.#ctx.roles.current.inRankOrder(held),
    }
    if (generation === this.#generation) this.#sessions.set(sessionId, actor)
    return actor
  }

  #forget({ event }: Published): void {
    const isOfAll = event.type === 'roles.changed' || event.type === 'events.missed'
    if (event.type !== 'session.ended' && event.type !== 'user.changed' && !isOfAll) return
    this.#generation++
    if (isOfAll) return this.#sessions.clear()
    if (event.type === 'session.ended') {
      for (const id of event.sessionIds) this.#sessions.delete(id)
      return
    }
    for (const { sessionId, userId } of this.#sessions.values()) {
      if (userId === event.userId) this.#sessions.delete(sessionId)
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
