import { z } from 'zod'
import { badRequest } from '#http/errors.ts'
import { actorUrl } from './identity.ts'
import type { LocalActor } from './local-actors.ts'

/** Types under which the self link of an actor is published. */
const ACTIVITY_TYPES =
  /^application\/(?:activity\+json|ld\+json; *profile="https:\/\/www\.w3\.org\/ns\/activitystreams")$/i

/** Whom a WebFinger query is about: a name on a host, or an address. */
export type Resource = { readonly name: string; readonly host: string } | { readonly url: string }

/**
 * Takes `acct:name@host` (RFC 7565) or the address of an actor apart.
 *
 * @throws HttpError 400
 */
export function parseResource(resource: string): Resource {
  if (/^https?:\/\//i.test(resource)) return { url: resource }
  const [, name, host] = /^acct:@?([^@\s]+)@([^@\s/?#]+)$/i.exec(resource) ?? []
  if (name === undefined || host === undefined) throw badRequest('resource must be acct:<name>@<host>')
  return { name: decoded(name), host: host.toLowerCase() }
}

/** The answer to a query for somebody here (RFC 7033, section 4.4). */
export function resourceDescriptor(origin: string, actor: LocalActor): Record<string, unknown> {
  const href = actorUrl(origin, actor.id)
  return {
    subject: `acct:${actor.name}@${new URL(origin).host}`,
    aliases: [href],
    links: [{ rel: 'self', type: 'application/activity+json', href }],
  }
}

const Descriptor = z.object({
  links: z
    .array(z.object({ rel: z.string(), type: z.string().optional(), href: z.string().optional() }))
    .max(100),
})

/** The address of the actor that another server's descriptor leads to. */
export function selfLinkOf(descriptor: unknown): string | undefined {
  const { data } = Descriptor.safeParse(descriptor)
  return data?.links.find(({ rel, type, href }) => rel === 'self' && href && ACTIVITY_TYPES.test(type ?? ''))
    ?.href
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}
