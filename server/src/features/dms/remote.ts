import type { Tx } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'

/** Somebody on another server whom direct messages can reach. Has a row in `user`, like everybody. */
export interface RemotePeer {
  readonly userId: string
  readonly username: string
  /** The address of their actor. */
  readonly actorUri: string
  /** Where messages for them are delivered to. */
  readonly deliveryTarget: string
}

/** A message of a conversation that is no more. */
export interface DeletedMessage {
  readonly id: string
  readonly channelId: string
  readonly senderId: string
}

/** A message that somebody here has read, and with it all before it. */
export interface ReadMessage {
  readonly id: string
  readonly channelId: string
  readonly senderId: string
  readonly readerId: string
}

/** What another part must do so that direct messages reach people on other servers. */
export interface RemotePeople {
  /**
   * Finds somebody by the address of their actor or by a handle such as `name@host`. May ask the network, so never
   * within a transaction.
   *
   * @throws HttpError 400 with the reason why not
   */
  resolve(address: string): Promise<RemotePeer>
  /** The person with this id, if they live elsewhere. */
  find(userId: string): Promise<RemotePeer | undefined>
  /** Sees to it, within the transaction that stores `message`, that participants elsewhere will get it. */
  deliver(tx: Tx, message: MessageContent, participantIds: readonly string[]): Promise<void>
  /** Sees to it, within the transaction that edits `message`, that participants elsewhere get its new text. */
  revise(tx: Tx, message: MessageContent, participantIds: readonly string[]): Promise<void>
  /** Sees to it, within the transaction that deletes a message, that participants elsewhere forget it too. */
  retract(tx: Tx, message: DeletedMessage, participantIds: readonly string[]): Promise<void>
  /** Tells participants elsewhere, within the transaction that notes it, that somebody here has read a message. */
  noteRead(tx: Tx, message: ReadMessage, participantIds: readonly string[]): Promise<void>
  /** Ends, within the transaction that blocks them, what else somebody here has with somebody elsewhere. */
  cut(tx: Tx, userId: string, blockedId: string): Promise<void>
  /** The id of the activity that carries a message to other servers. */
  activityIdOf(messageId: string): string
}
