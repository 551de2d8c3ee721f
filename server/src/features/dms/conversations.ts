import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import type { MessageContent } from '#events/events.ts'
import { forbidden, type HttpError } from '#http/errors.ts'
import { otherOf } from './policy.ts'
import { findRequest, isBlocked, showsWhatIsRead } from './people-store.ts'
import type { DeletedMessage, ReadMessage, RemotePeople } from './remote.ts'
import { findKind, hasRemoteParticipant, lastSeq, participantsOf, touchConversation } from './store.ts'

/** How much somebody may write before the other has said that they want to read it. */
const MAX_UNANSWERED = 5

/**
 * What a message in a conversation must pass, and what follows from it, by whatever route it comes. The channel's own
 * rule, that only participants see it, has been applied before.
 */
export class Conversations {
  readonly #clock: Context['clock']
  #remote: RemotePeople | undefined

  constructor({ clock }: Pick<Context, 'clock'>) {
    this.#clock = clock
  }

  /** People on other servers, once there is a part that reaches them. */
  get remote(): RemotePeople | undefined {
    return this.#remote
  }

  /** From now on direct messages reach people on other servers. */
  connect(remote: RemotePeople): void {
    this.#remote = remote
  }

  /**
   * Lets a message of `senderId` in, or not.
   *
   * @param seq the number that the message will have; the next one if it was not taken yet
   * @throws HttpError 403 when one of two people has blocked the other, or the other has not answered yet
   */
  async admit(
    tx: Tx,
    channelId: string,
    { senderId, seq }: { senderId: string; seq?: number },
  ): Promise<void> {
    const conversation = await findKind(tx, channelId)
    if (conversation?.pair_key) {
      const other = otherOf(conversation.pair_key, senderId)
      if (other !== senderId) {
        if (await isBlocked(tx, senderId, other)) throw notAccepted()
        const number = seq ?? (await lastSeq(tx, channelId)) + 1
        if (number > MAX_UNANSWERED && (await findRequest(tx, channelId, other))) throw unanswered()
      }
    }
    touchConversation(tx, channelId, this.#clock())
  }

  /** Sees to it that participants on other servers get a message that was just stored. */
  async sent(tx: Tx, message: MessageContent): Promise<void> {
    if (!this.#remote) return
    await this.#remote.deliver(tx, message, await this.#participants(tx, message.channelId))
  }

  /**
   * Lets somebody reach the others otherwise than by a message, such as by an emoji, or not.
   *
   * @throws HttpError 403 when one of two people has blocked the other
   */
  async admitReaction(db: Db, channelId: string, userId: string): Promise<void> {
    if (await this.isCutOff(db, channelId, userId)) throw notAccepted()
  }

  /**
   * Lets somebody give a message another text, or not.
   *
   * @throws HttpError 403 when one of two people has blocked the other, or the message is somebody else's and another
   *   server has it too, which believes its author alone
   */
  async admitEdit(
    tx: Tx,
    channelId: string,
    { userId, authorId }: { userId: string; authorId: string },
  ): Promise<void> {
    await this.admitReaction(tx, channelId, userId)
    if (userId !== authorId && (await hasRemoteParticipant(tx, channelId))) {
      throw forbidden('Only its author can edit a message that another server has')
    }
  }

  /** Whether one of two people has blocked the other: what was said between them stays as it is. */
  async isCutOff(db: Db, channelId: string, userId: string): Promise<boolean> {
    const pairKey = (await findKind(db, channelId))?.pair_key
    if (!pairKey) return false
    const other = otherOf(pairKey, userId)
    return other !== userId && (await isBlocked(db, userId, other))
  }

  /** Sees to it that participants on other servers get the text that a message was just given. */
  async edited(tx: Tx, message: MessageContent): Promise<void> {
    if (!this.#remote) return
    await this.#remote.revise(tx, message, await this.#participants(tx, message.channelId))
  }

  /** Sees to it that participants on other servers forget a message that was just deleted. */
  async deleted(tx: Tx, message: DeletedMessage): Promise<void> {
    if (!this.#remote) return
    await this.#remote.retract(tx, message, await this.#participants(tx, message.channelId))
  }

  /**
   * Shows the other participants that somebody has read a message, if they let it be seen.
   *
   * @param message its number included
   */
  async read(tx: Tx, message: ReadMessage & { readonly seq: number }): Promise<void> {
    const { id: messageId, channelId, readerId, seq } = message
    if (!(await showsWhatIsRead(tx, readerId))) return
    tx.publish({ type: 'conversation.read', channelId, userId: readerId, messageId, seq })
    await this.#remote?.noteRead(tx, message, await this.#participants(tx, channelId))
  }

  async #participants(tx: Tx, channelId: string): Promise<string[]> {
    return (await participantsOf(tx, [channelId])).get(channelId)!
  }
}

/** Says no more than that, so that nobody finds out whether they were blocked. */
export function notAccepted(): HttpError {
  return forbidden('This person does not take direct messages from you')
}

function unanswered(): HttpError {
  return forbidden('This person has not answered yet: wait until they do before you write more')
}
