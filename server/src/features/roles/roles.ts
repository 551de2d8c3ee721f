import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import type { Standing } from '#lib/permission.ts'
import { RoleList } from './role-list.ts'
import { readRoleList } from './store.ts'

/** The roles in force, read without waiting, and replaced by the event that says what they are now. */
export class Roles implements Disposable {
  readonly #unsubscribe: () => void
  #version: number
  #current: RoleList

  private constructor(ctx: Pick<Context, 'bus'>, version: number, current: RoleList) {
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
    // Two changes may be told in another order than they were made in.
    if (event.type !== 'roles.changed' || event.version <= this.#version) return
    this.#version = event.version
    this.#current = new RoleList(event.roles)
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }
}
