import type { Right } from '#lib/rights.ts'

/** Whether somebody may see a channel and what is said in it. The one rule, for routes, search and sockets alike. */
export function maySeeChannel(
  channel: { readonly isPrivate: boolean },
  viewer: { readonly isMember: boolean; readonly rights: ReadonlySet<Right> },
): boolean {
  return !channel.isPrivate || viewer.isMember || viewer.rights.has('view_private_channels')
}
