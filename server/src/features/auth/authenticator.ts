import { createHash } from 'node:crypto'
import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import type { Actor } from '#http/access.ts'
import { unauthorized } from '#http/errors.ts'
import { Lru } from '#lib/lru.ts'
import { banned, demandNotBanned, restrictionsOf } from '#features/restrictions/index.ts'
import { verifyAccessToken, type AccessClaims } from './access-token.ts'
import { findLivingSession, findSessionUser } from './store.ts'

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

  /** @throws HttpError 401 when the token or its session does not count, 403 while its person is banned */
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

  /** Whose session this is, if it still stands. @throws HttpError 401, 403 while the person is banned */
  async check(sessionId: string): Promise<Actor> {
    const known = this.#sessions.get(sessionId)
    if (known) return this.#asOfNow(known)
    const generation = this.#generation
    const now = this.#ctx.clock()
    const db = this.#ctx.db.read
    const rows = await findLivingSession(db, sessionId)
    const first = rows[0]
    if (!first) {
      // A ban ends all sessions. Who comes with one of them is told of the ban, not to sign in again.
      const userId = await findSessionUser(db, sessionId)
      if (userId !== undefined) await demandNotBanned(db, userId, now)
      throw unauthorized('The session has ended')
    }
    const { ban, timeout } = await restrictionsOf(db, first.user_id, now)
    if (ban) throw banned(ban)
    const held = rows.flatMap(({ role_id }) => role_id ?? [])
    const actor: Actor = {
      ...this.#ctx.roles.standing(first.user_id, held, timeout?.until ?? null),
      sessionId,
      username: first.username,
      roles: this.#ctx.roles.current.inRankOrder(held),
    }
    if (generation === this.#generation) this.#sessions.set(sessionId, actor)
    return actor
  }

  /** Timeouts end by the clock. */
  #asOfNow(actor: Actor): Actor {
    if (actor.timedOutUntil === null || actor.timedOutUntil > this.#ctx.clock()) return actor
    const free = { ...actor, timedOutUntil: null }
    this.#sessions.set(actor.sessionId, free)
    return free
  }

  #forget({ event }: Published): void {
    switch (event.type) {
      case 'session.ended':
        this.#generation++
        for (const id of event.sessionIds) this.#sessions.delete(id)
        break
      case 'roles.changed':
      case 'events.missed':
        this.#generation++
        this.#sessions.clear()
        break
      case 'user.changed':
      case 'user.restricted':
        this.#generation++
        for (const { sessionId, userId } of this.#sessions.values()) {
          if (userId === event.userId) this.#sessions.delete(sessionId)
        }
        break
      default:
    }
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
