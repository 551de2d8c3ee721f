import { version } from '#lib/version.ts'

/** `/.well-known/nodeinfo`: where the description is. */
export function nodeInfoLinks(origin: string): Record<string, unknown> {
  return {
    links: [
      { rel: 'http://nodeinfo.diaspora.software/ns/schema/2.1', href: `${origin}/nodeinfo/2.1` },
      { rel: 'http://nodeinfo.diaspora.software/ns/schema/2.0', href: `${origin}/nodeinfo/2.0` },
    ],
  }
}

/** NodeInfo 2.0 or 2.1. How many people are here is nobody's business, so `usage` stays empty. */
export function nodeInfo(
  schema: '2.0' | '2.1',
  { name, registrationIsOpen }: { name: string; registrationIsOpen: boolean },
): Record<string, unknown> {
  return {
    version: schema,
    software: { name: 'pufferblow', version },
    protocols: ['activitypub'],
    services: { inbound: [], outbound: [] },
    openRegistrations: registrationIsOpen,
    usage: { users: {} },
    metadata: { nodeName: name },
  }
}
