import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import type { Standing } from '#lib/permission.ts'
import { RoleList } from './role-list.ts'
import { readRoleList } from './store.ts'

/** The roles in force, read without waiting, and replaced by the event that says what they are now. */
export class Roles implements Disposable {
  readonly #ctx: Pick<Context, 'db' | 'bus'>
  readonly #unsubscribe: () => void
  #version: number
  #current: RoleList

  private constructor(ctx: Pick<Context, 'db' | 'bus'>, version: number, current: RoleList) {
    this.#ctx = ctx
    this.#version = version
    this.#current = current
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#follow(published))
  }

  static async open(ctx: Pick<Context, 'db' | 'bus'>): Promise<Roles> {
    const { version, custom } = await readRoleList(ctx.db.read)
    return new Roles(ctx, version, new RoleList(custom))
  }

  get current(): RoleList {
    return this.#current
  }

  /** What somebody with these roles may do. */
  standing(userId: string, roleIds: readonly string[], timedOutUntil: number | null): Standing {
    const held = this.#current.held(roleIds)
    return { userId, held, rights: this.#current.rightsOf(roleIds), timedOutUntil }
  }

  #follow({ event }: Published): void {
    // While the database is away too, the next such event tries again.
    if (event.type === 'events.missed') return void this.#catchUp().catch(() => {})
    // Two changes may be told in another order than they were made in.
    if (event.type !== 'roles.changed' || event.version <= this.#version) return
    this.#version = event.version
    this.#current = new RoleList(event.roles)
  }

  /** Another process may have changed roles: if so, everybody here is told as if it had just been said. */
  async #catchUp(): Promise<void> {
    const { version, custom } = await readRoleList(this.#ctx.db.read)
    if (version <= this.#version) return
    this.#ctx.bus.publish({
      event: { type: 'roles.changed', version, roles: custom, removed: [] },
      remote: true,
    })
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
