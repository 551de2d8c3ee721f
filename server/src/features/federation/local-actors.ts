import type { Context } from '#context'
import { findUser, foldCase } from '#features/accounts/index.ts'
import { isId } from '#lib/id.ts'
import { Lru } from '#lib/lru.ts'
import { isFederatedName, mappedName } from './federated-name.ts'
import { hadKeys } from './store/keys.ts'
import {
  findOpenPerson,
  findOpenPersonByFederatedName,
  findOpenPersonByUsername,
  putFederatedName,
  type OpenPerson,
} from './store/people.ts'

/** Somebody here whom other servers can address: a person, or the server itself. */
export interface LocalActor {
  readonly kind: 'person' | 'server'
  readonly id: string
  /** What stands before the `@`. */
  readonly name: string
  /** What people read. */
  readonly displayName: string
  /** `<id>.<extension>` of a picture. */
  readonly avatar: string | null
}

type Deps = Pick<Context, 'db' | 'clock' | 'instance' | 'settings'>

const REMEMBERED = 10_000

/** Finds out who is behind an id or a name that another server asks for. */
export class LocalActors {
  readonly #ctx: Deps
  /** Names that are known to be in the table, with whose they are. */
  readonly #givenOut = new Lru<string, string>(REMEMBERED)

  constructor(ctx: Deps) {
    this.#ctx = ctx
  }

  /**
   * The server's own actor: it signs what no person asks for, such as the look at a key. Its name is its id, so that
   * it takes no name from a person.
   */
  get server(): LocalActor {
    const { serverId } = this.#ctx.instance
    return {
      avatar: null,
      kind: 'server',
      id: serverId,
      name: serverId,
      displayName: this.#ctx.settings.current.server_name,
    }
  }

  async byId(id: string): Promise<LocalActor | undefined> {
    if (id === this.server.id) return this.server
    const person = isId(id) ? await findOpenPerson(this.#ctx.db.read, id) : undefined
    return person && this.#actorOf(person)
  }

  /** Also by a name that the person had before. */
  async byName(name: string): Promise<LocalActor | undefined> {
    if (name.toLowerCase() === this.server.name) return this.server
    const key = foldCase(name.toWellFormed().replaceAll('\0', ''))
    const { read } = this.#ctx.db
    const person = isFederatedName(key) ? await findOpenPersonByUsername(read, key) : undefined
    const found = person ?? (await findOpenPersonByFederatedName(read, key))
    return found && this.#actorOf(found)
  }

  /** The name of somebody here before the `@`, whether or not other servers know them. */
  async nameOf(userId: string): Promise<string> {
    const user = await findUser(this.#ctx.db.read, userId)
    return user === undefined ? userId : federatedNameOf(user)
  }

  /** Whether other servers may have known an actor of this id, of somebody whose account is no more. */
  async isGone(id: string): Promise<boolean> {
    if (!isId(id) || (await findUser(this.#ctx.db.read, id))) return false
    return hadKeys(this.#ctx.db.read, id)
  }

  async #actorOf(person: OpenPerson): Promise<LocalActor> {
    const name = federatedNameOf(person)
    await this.#giveOut(foldCase(name), person.id)
    return { kind: 'person', id: person.id, name, displayName: person.username, avatar: person.avatar }
  }

  /** A name that another server has seen must lead to the same person when they are called something else. */
  async #giveOut(key: string, id: string): Promise<void> {
    if (this.#givenOut.get(key) === id) return
    await this.#ctx.db.transact((tx) => putFederatedName(tx, key, id, this.#ctx.clock()))
    this.#givenOut.set(key, id)
  }
}

function federatedNameOf({ id, username }: Pick<OpenPerson, 'id' | 'username'>): string {
  return isFederatedName(username) ? username : mappedName(username, id)
}
