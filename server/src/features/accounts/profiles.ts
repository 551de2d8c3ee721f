import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import { rolesByUser } from '#features/roles/index.ts'
import { Lru } from '#lib/lru.ts'
import { findUsers } from './store.ts'

/** What everybody may see of a person next to a message. */
export interface Profile {
  readonly userId: string
  readonly username: string
  /** The server that they live on; null for this one. */
  readonly originServer: string | null
  /** The address of their actor, if they live elsewhere. */
  readonly actorUri: string | null
  readonly about: string | null
  /** `<id>.<extension>` of a file. */
  readonly avatar: string | null
  readonly banner: string | null
  readonly status: string
  readonly roles: readonly string[]
  readonly createdAt: number
  readonly lastSeenAt: number | null
}

const REMEMBERED = 10_000

/** Profiles by user id, remembered until an event says that they changed. */
export class Profiles implements Disposable {
  readonly #db: Context['db']
  readonly #roles: Context['roles']
  readonly #profiles = new Lru<string, Profile>(REMEMBERED)
  readonly #unsubscribe: () => void
  #generation = 0

  constructor(ctx: Pick<Context, 'db' | 'bus' | 'roles'>) {
    this.#db = ctx.db
    this.#roles = ctx.roles
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#forget(published))
  }

  /** A profile that is remembered. Most of those who write are. */
  known(userId: string): Profile | undefined {
    return this.#profiles.get(userId)
  }

  /** Profiles of those who exist. */
  async of(userIds: Iterable<string>): Promise<Map<string, Profile>> {
    const found = new Map<string, Profile>()
    const missing: string[] = []
    for (const id of new Set(userIds)) {
      const profile = this.#profiles.get(id)
      if (profile) found.set(id, profile)
      else missing.push(id)
    }
    if (missing.length === 0) return found
    const generation = this.#generation
    const users = await findUsers(this.#db.read, missing)
    const roles = await rolesByUser(this.#db.read, missing)
    for (const user of users) {
      const profile: Profile = {
        userId: user.id,
        username: user.username,
        originServer: user.origin_server,
        actorUri: user.actor_uri,
        about: user.about,
        avatar: user.avatar,
        banner: user.banner,
        status: user.status,
        roles: this.#roles.current.inRankOrder(roles.get(user.id) ?? []),
        createdAt: user.created_at,
        lastSeenAt: user.last_seen_at,
      }
      found.set(user.id, profile)
      // Something changed while we read: the answer may be older than the event that said so.
      if (generation === this.#generation) this.#profiles.set(user.id, profile)
    }
    return found
  }

  #forget({ event }: Published): void {
    if (event.type === 'roles.changed' || event.type === 'events.missed') {
      this.#generation++
      return this.#profiles.clear()
    }
    if (event.type !== 'user.changed' && event.type !== 'user.status_changed') return
    this.#generation++
    this.#profiles.delete(event.userId)
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
