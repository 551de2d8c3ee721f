/*
 * The addresses under which other servers know what is here. They are made from the configured public origin and
 * nothing else: a request can say what it likes about its host. Once given out they stay, as peers keep them.
 */

/** Id of the actor that stands for a user, or for the server itself. */
export function actorUrl(origin: string, id: string): string {
  return `${origin}/ap/users/${id}`
}

export function inboxUrl(origin: string, id: string): string {
  return `${actorUrl(origin, id)}/inbox`
}

export function outboxUrl(origin: string, id: string): string {
  return `${actorUrl(origin, id)}/outbox`
}

export function followersUrl(origin: string, id: string): string {
  return `${actorUrl(origin, id)}/followers`
}

export function followingUrl(origin: string, id: string): string {
  return `${actorUrl(origin, id)}/following`
}

/** One inbox for all: a peer that writes to many people here sends it once. */
export function sharedInboxUrl(origin: string): string {
  return `${origin}/ap/inbox`
}

/** The id in the address of an actor of ours; undefined for any other address. */
export function idInActorUrl(origin: string, url: string): string | undefined {
  const prefix = actorUrl(origin, '')
  if (!url.startsWith(prefix)) return undefined
  const id = url.slice(prefix.length)
  return /^[0-9a-f-]{36}$/.test(id) ? id : undefined
}

/** Id of an activity of ours. It cannot be fetched: activities go to those they are for. */
export function activityUrl(origin: string, id: string): string {
  return `${origin}/ap/activities/${id}`
}

/** Id of the note that a message of ours is. It cannot be fetched either. */
export function noteUrl(origin: string, messageId: string): string {
  return `${origin}/ap/objects/${messageId}`
}

/** The message behind the id of a note of ours; undefined for any other address. */
export function messageIdInNoteUrl(origin: string, url: string): string | undefined {
  const prefix = noteUrl(origin, '')
  const id = url.startsWith(prefix) ? url.slice(prefix.length) : ''
  return /^[0-9a-f-]{36}$/.test(id) ? id : undefined
}
