/*
 * A conversation is a channel, and its two ids say the same: `dm-` and the 32 hex digits of the channel's UUID. So
 * neither has to be looked up by the other.
 */

const CONVERSATION_ID = /^dm-([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})$/

/** The id by which clients know the conversation that a channel is. */
export function conversationIdOf(channelId: string): string {
  return `dm-${channelId.replaceAll('-', '')}`
}

/** The channel that `text` names, by its own id or by that of a conversation. What is neither stays as it is. */
export function channelIdOf(text: string): string {
  const digits = CONVERSATION_ID.exec(text)
  return digits ? digits.slice(1).join('-') : text
}
