import type { KeyObject } from 'node:crypto'
import type { Context } from '#context'
import type { RemoteActorTable } from '#db/tables.ts'
import { EgressFailedError, EgressRefusedError } from '#egress/errors.ts'
import type { Egress } from '#egress/egress.ts'
import { foldCase } from '#features/accounts/index.ts'
import { Lru } from '#lib/lru.ts'
import { keyIdOf } from './actor-document.ts'
import type { ActorKeys } from './actor-keys.ts'
import { PeerError } from './errors.ts'
import { actorUrl } from './identity.ts'
import { JsonError, parseObject, type JsonObject } from './json.ts'
import type { PeerPolicy } from './peer-policy.ts'
import { openRemoteKey, parseRemoteActor, type RemoteActor } from './remote-actor.ts'
import { renameShadow } from './shadows.ts'
import { signRequest } from './signatures/index.ts'
import { findActorByHandle, findRemoteActor, putRemoteActor, type NewRemoteActor } from './store/actors.ts'

/** An actor of another server as we know it now. */
export interface KnownActor {
  readonly actor: RemoteActor
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly fetchedAt: number
}

interface Deps extends Pick<Context, 'db' | 'clock' | 'instance'> {
  readonly egress: Egress
  readonly policy: PeerPolicy
  readonly keys: ActorKeys
}

const FRESH_MS = 24 * 3600_000
const FAILED_MS = 10 * 60_000
const REFETCH_MS = 60_000
const REMEMBERED = 5_000
const ACCEPT =
  'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
/** What a server serves as such it means: a file that somebody uploaded there has another type. */
const ACTOR_TYPE = /^application\/(?:activity\+json|ld\+json)\s*(?:;|$)/i
/** Of servers that serve everything as plain JSON, where WebFinger has said that the address is an actor's. */
const CONFIRMED_TYPE = /^application\/(?:activity\+json|ld\+json|json)\s*(?:;|$)/i

/**
 * Actors of other servers: remembered for a day, in memory and in the database. What cannot be had is not asked for
 * again for ten minutes, and many who ask at once cause one request.
 */
export class RemoteActors {
  readonly #ctx: Deps
  readonly #known = new Lru<string, KnownActor>(REMEMBERED)
  readonly #failed = new Lru<string, { readonly error: PeerError; readonly until: number }>(REMEMBERED)
  readonly #refetched = new Lru<string, number>(REMEMBERED)
  readonly #fetching = new Map<string, Promise<KnownActor>>()

  constructor(ctx: Deps) {
    this.#ctx = ctx
  }

  /**
   * The actor of an id.
   *
   * @param options.confirmed WebFinger named this id as one of an actor
   * @param options.beforeFetch called when its server has to be asked; what it throws prevents that
   * @throws PeerError
   */
  async get(id: string, options: { confirmed?: true; beforeFetch?: () => void } = {}): Promise<KnownActor> {
    this.#admit(id)
    const known = await this.recall(id)
    if (known && this.isFresh(known)) return known
    if (!this.#hasFailed(id)) options.beforeFetch?.()
    return this.#fetchOnce(id, known || options.confirmed ? CONFIRMED_TYPE : ACTOR_TYPE)
  }

  /**
   * The actor again from its server, since what we know does not fit: it may have changed its key. At most once a
   * minute, however many ask; otherwise what is known.
   *
   * @throws PeerError
   */
  async refetch(id: string, options: { beforeFetch?: () => void } = {}): Promise<KnownActor> {
    const now = this.#ctx.clock()
    const known = await this.recall(id)
    const last = Math.max(this.#refetched.get(id) ?? 0, known?.fetchedAt ?? 0)
    if (known && Math.abs(now - last) < REFETCH_MS) return known
    options.beforeFetch?.()
    this.#refetched.set(id, now)
    return this.#fetchOnce(id, known ? CONFIRMED_TYPE : ACTOR_TYPE)
  }

  /** Any JSON document of another server, asked for in the name of this server. @throws PeerError */
  async fetchJson(
    url: string,
    options: { accept: string; type?: RegExp; redirects: number },
  ): Promise<{ document: JsonObject; url: string }> {
    const { egress, policy, keys, instance, clock } = this.#ctx
    const actor = actorUrl(instance.origin, instance.serverId)
    const { privateKey } = (await keys.of(instance.serverId)).rsa
    const signer = { keyId: keyIdOf(actor, 'rsa'), key: privateKey, scheme: 'draft-cavage' } as const
    let answer
    try {
      answer = await egress.request({
        method: 'GET',
        url,
        redirects: options.redirects,
        admit: (target) => policy.admit(target.host),
        headers: (target) => ({
          accept: options.accept,
          ...signRequest({ method: 'GET', target }, { ...signer, now: clock() }),
        }),
      })
    } catch (error) {
      if (error instanceof EgressRefusedError) throw new PeerError('refused', error.message, { cause: error })
      if (error instanceof EgressFailedError)
        throw new PeerError('unreachable', error.message, { cause: error })
      throw error
    }
    const { status } = answer
    if (status === 404 || status === 410) throw new PeerError('gone', `it does not exist there (${status})`)
    if (status >= 300 && status < 400) throw new PeerError('invalid', 'it redirects to somewhere else')
    if (status !== 200) throw new PeerError('unreachable', `the other server answered ${status}`)
    if (options.type && !options.type.test(answer.headers['content-type'] ?? '')) {
      throw new PeerError('invalid', 'the other server answered with something else')
    }
    try {
      return { document: parseObject(answer.body), url: answer.url.href }
    } catch (error) {
      if (!(error instanceof JsonError)) throw error
      throw new PeerError('invalid', `the other server's answer is of no use: ${error.message}`, {
        cause: error,
      })
    }
  }

  /** Reads an actor from an address that people see, which may not be its id. @throws PeerError */
  async getByUrl(url: string): Promise<KnownActor> {
    if (await this.recall(url)) return this.get(url)
    return this.#alone(`page ${url}`, async () => {
      const page = await this.fetchJson(url, { accept: ACCEPT, type: ACTOR_TYPE, redirects: 3 })
      const { id } = page.document
      if (typeof id !== 'string') throw new PeerError('invalid', 'the address is not one of an actor')
      // What a page says of an id counts only if the id says the same.
      return id === page.url ? this.#keep(page.document, id) : this.get(id)
    })
  }

  #fetchOnce(id: string, type: RegExp): Promise<KnownActor> {
    const failed = this.#hasFailed(id)
    if (failed) return Promise.reject(failed)
    return this.#alone(id, () => this.#fetch(id, type))
  }

  /** Also of what is known: with a peer that is blocked since, we have nothing to do. */
  #admit(id: string): void {
    if (!URL.canParse(id)) throw new PeerError('invalid', 'the actor has no address')
    this.#ctx.policy.admit(new URL(id).host)
  }

  #hasFailed(id: string): PeerError | undefined {
    const failed = this.#failed.get(id)
    return failed && this.#ctx.clock() < failed.until ? failed.error : undefined
  }

  /** Many who want the same at once wait for the first of them. */
  #alone(name: string, work: () => Promise<KnownActor>): Promise<KnownActor> {
    let fetching = this.#fetching.get(name)
    if (!fetching) {
      fetching = work().finally(() => this.#fetching.delete(name))
      this.#fetching.set(name, fetching)
    }
    return fetching
  }

  async #fetch(id: string, type: RegExp): Promise<KnownActor> {
    try {
      const { document } = await this.fetchJson(id, { accept: ACCEPT, type, redirects: 0 })
      return await this.#keep(document, id)
    } catch (error) {
      if (error instanceof PeerError && error.kind !== 'refused') {
        this.#failed.set(id, { error, until: this.#ctx.clock() + FAILED_MS })
      }
      throw error
    }
  }

  async #keep(document: JsonObject, id: string): Promise<KnownActor> {
    const { db, clock } = this.#ctx
    const actor = parseRemoteActor(document, id)
    const fetchedAt = clock()
    const before = await findRemoteActor(db.read, id)
    await db.transact((tx) => putRemoteActor(tx, this.rowOf(actor, fetchedAt)))
    if (before?.user_id && actorOf(before).name !== actor.name)
      await renameShadow(this.#ctx, before.user_id, actor)
    this.#failed.delete(id)
    return this.#remember(actor, fetchedAt)
  }

  /** What is kept of an actor, for those who need it to be there. */
  rowOf(actor: RemoteActor, fetchedAt: number): NewRemoteActor {
    return { id: actor.id, host: actor.host, document: JSON.stringify(actor), fetched_at: fetchedAt }
  }

  /** Forgets what was remembered of an actor: it is no more. */
  forget(id: string): void {
    this.#known.delete(id)
  }

  /** What is known of an actor, however old, without asking its server. */
  async recall(id: string): Promise<KnownActor | undefined> {
    const known = this.#known.get(id)
    if (known) return known
    const row = await findRemoteActor(this.#ctx.db.read, id)
    return row && row.gone_at === null ? this.#remember(actorOf(row), row.fetched_at) : undefined
  }

  /**
   * Like {@link recall}, by what people write: an address, or the handle of somebody with whom people here have to do.
   *
   * @throws PeerError when this server does not talk to theirs any more
   */
  async recallPerson(
    person: { url: string } | { name: string; host: string },
  ): Promise<KnownActor | undefined> {
    const id =
      'url' in person
        ? person.url
        : (await findActorByHandle(this.#ctx.db.read, foldCase(`${person.name}@${person.host}`)))?.id
    if (id === undefined) return undefined
    this.#admit(id)
    return this.recall(id)
  }

  /** Whether what is known of an actor is of today. */
  isFresh({ fetchedAt }: KnownActor): boolean {
    return this.#ctx.clock() - fetchedAt < FRESH_MS
  }

  #remember(actor: RemoteActor, fetchedAt: number): KnownActor {
    const keys = new Map(actor.keys.map((key) => [key.id, openRemoteKey(key)]))
    const known = { actor, keys, fetchedAt }
    this.#known.set(actor.id, known)
    return known
  }
}

function actorOf(row: RemoteActorTable): RemoteActor {
  return JSON.parse(row.document) as RemoteActor
}
