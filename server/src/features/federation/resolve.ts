import type { Context } from '#context'
import { badRequest } from '#http/errors.ts'
import { PeerError } from './errors.ts'
import type { KnownActor, RemoteActors } from './remote-actors.ts'
import { selfLinkOf } from './webfinger.ts'

/** Whom somebody means, in one of the forms that people use. */
export type Handle =
  | { readonly kind: 'account'; readonly name: string; readonly host: string }
  | { readonly kind: 'url'; readonly url: string }

const MAX_HANDLE = 2048
const JRD_TYPES = 'application/jrd+json, application/json'

/**
 * Takes `name@host`, `@name@host`, `acct:name@host` or an address apart.
 *
 * @returns undefined for what is none of these
 */
export function parseHandle(text: string): Handle | undefined {
  const trimmed = text.trim()
  if (trimmed.length > MAX_HANDLE) return undefined
  if (/^https?:\/\//i.test(trimmed)) return URL.canParse(trimmed) ? { kind: 'url', url: trimmed } : undefined
  const [, name, domain] = /^(?:acct:)?@?([^@\s/\\:?#]{1,128})@([^@\s/\\?#]{1,255})$/i.exec(trimmed) ?? []
  if (name === undefined || domain === undefined || !URL.canParse(`https://${domain}/`)) return undefined
  const { host } = new URL(`https://${domain}/`)
  return { kind: 'account', name, host }
}

/** Finds people of other servers. */
export class Resolver {
  readonly #ctx: Pick<Context, 'config' | 'instance'> & { readonly actors: RemoteActors }

  constructor(ctx: Pick<Context, 'config' | 'instance'> & { readonly actors: RemoteActors }) {
    this.#ctx = ctx
  }

  /**
   * The actor that a handle means.
   *
   * @throws PeerError; HttpError 400 for a handle of this server
   */
  async resolve(handle: Handle): Promise<KnownActor> {
    const { instance, actors } = this.#ctx
    if (handle.kind === 'url' && new URL(handle.url).host === instance.host) {
      throw badRequest('This is an address of this server')
    }
    if (handle.kind === 'account' && handle.host === instance.host) {
      throw badRequest('This is somebody of this server')
    }
    const known = await actors.recallPerson(handle)
    if (known && actors.isFresh(known)) return known
    try {
      return await (handle.kind === 'url' ? actors.getByUrl(handle.url) : this.#ask(handle))
    } catch (error) {
      // One can write to whom one knows while their server is away.
      if (known && error instanceof PeerError && error.kind === 'unreachable') return known
      throw error
    }
  }

  /** Asks by WebFinger (RFC 7033). */
  async #ask(handle: { readonly name: string; readonly host: string }): Promise<KnownActor> {
    const { actors } = this.#ctx
    const query = new URL('/.well-known/webfinger', `${this.#schemeOf(handle.host)}://${handle.host}`)
    query.searchParams.set('resource', `acct:${handle.name}@${handle.host}`)
    const { document } = await actors.fetchJson(query.href, { accept: JRD_TYPES, redirects: 3 })
    const id = selfLinkOf(document)
    if (id === undefined) throw new PeerError('invalid', 'the other server names no actor for this handle')
    return actors.get(id, { confirmed: true })
  }

  /** Peers on this machine and in private networks, which are there for tests, have no certificates. */
  #schemeOf(host: string): 'http' | 'https' {
    const { hostname } = new URL(`https://${host}`)
    const isLiteral = hostname === 'localhost' || /^[\d.]+$|^\[/.test(hostname)
    return this.#ctx.config.federation.allow_private && isLiteral ? 'http' : 'https'
  }
}
