import type { Db, Tx } from '#db/database.ts'
import type { MessageRevisionTable, ReactionTable } from '#db/tables.ts'
import type { LivingMessage, MessageRef } from './store.ts'

/** Notes that a message is not what it was, and so neither are those that show part of it as what they answer. */
export function noteMessageChange(tx: Tx, id: string): void {
  tx.later(
    tx
      .updateTable('message')
      .set((eb) => ({ changes: eb('changes', '+', 1) }))
      .where((where) => where.or([where('id', '=', id), where('reply_to_id', '=', id)])),
  )
}

/** Gives a message another text. @returns false if somebody else changed or deleted it meanwhile */
export async function reviseMessage(
  tx: Tx,
  { id, revision }: Pick<LivingMessage, 'id' | 'revision'>,
  text: { kid: string; sealed: Uint8Array },
  edited: { at: number; by: string },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('message')
    .set({ ...text, revision: revision + 1, edited_at: edited.at, edited_by: edited.by })
    .where('id', '=', id)
    .where('revision', '=', revision)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

export function insertRevision(tx: Tx, row: MessageRevisionTable): void {
  tx.later(tx.insertInto('message_revision').values(row))
}

/** What a message said before, the first text first. */
export function listRevisions(db: Db, messageId: string): Promise<MessageRevisionTable[]> {
  return db
    .selectFrom('message_revision')
    .selectAll()
    .where('message_id', '=', messageId)
    .orderBy('revision')
    .execute()
}

/** Removes all that hangs on a message that was deleted. */
export function deleteAttributes(tx: Tx, messageId: string): void {
  tx.later(tx.deleteFrom('message_revision').where('message_id', '=', messageId))
  tx.later(tx.deleteFrom('reaction').where('message_id', '=', messageId))
}

/** @returns false if it was there already */
export async function insertReaction(tx: Tx, row: ReactionTable): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('reaction')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** @returns false if there was none */
export async function deleteReaction(
  tx: Tx,
  { message_id, emoji, user_id }: Omit<ReactionTable, 'created_at'>,
): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('reaction')
    .where('message_id', '=', message_id)
    .where('emoji', '=', emoji)
    .where('user_id', '=', user_id)
    .executeTakeFirstOrThrow()
  return numDeletedRows === 1n
}

export function countReactions(tx: Tx, messageId: string, by: 1 | -1): void {
  tx.later(
    tx
      .updateTable('message')
      .set((eb) => ({ reaction_count: eb('reaction_count', '+', by), changes: eb('changes', '+', 1) }))
      .where('id', '=', messageId),
  )
}

/** Reactions of messages, the first one first. */
export function listReactions(db: Db, messageIds: readonly string[]): Promise<ReactionTable[]> {
  return db
    .selectFrom('reaction')
    .selectAll()
    .where('message_id', 'in', messageIds)
    .orderBy('created_at')
    .orderBy('emoji')
    .orderBy('user_id')
    .execute()
}

/** @returns false if it was pinned already, or deleted */
export async function pinMessage(
  tx: Tx,
  id: string,
  pinned: { at: number; by: string } | null,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('message')
    .set({ pinned_at: pinned?.at ?? null, pinned_by: pinned?.by ?? null })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .where('pinned_at', pinned ? 'is' : 'is not', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** The pinned messages of a channel, what was pinned last first. */
export function pinnedRefs(db: Db, channelId: string): Promise<MessageRef[]> {
  return db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('channel_id', '=', channelId)
    .where('pinned_at', 'is not', null)
    .orderBy('pinned_at', 'desc')
    .orderBy('id', 'desc')
    .execute()
}

/** Counts a message that was sent in a thread. */
export function countThreadReply(tx: Tx, rootId: string, sentAt: number): void {
  tx.later(
    tx
      .updateTable('message')
      .set((eb) => ({
        thread_replies: eb('thread_replies', '+', 1),
        thread_last_at: sentAt,
        changes: eb('changes', '+', 1),
      }))
      .where('id', '=', rootId),
  )
}

/** Counts anew the messages of a thread in which one was deleted. */
export function recountThread(tx: Tx, rootId: string): void {
  tx.later(
    tx
      .updateTable('message')
      .set((eb) => {
        const replies = eb
          .selectFrom('message as reply')
          .where('reply.thread_id', '=', rootId)
          .where('reply.deleted_at', 'is', null)
        return {
          thread_replies: replies.select(({ fn }) => fn.countAll<number>().as('count')),
          thread_last_at: replies.select(({ fn }) => fn.max('reply.sent_at').as('last')),
          changes: eb('changes', '+', 1),
        }
      })
      .where('id', '=', rootId),
  )
}

/** Messages of a thread, its beginning left out: above a number, oldest first, or below it, newest first. */
export function threadRefs(
  db: Db,
  rootId: string,
  place: { above: number } | { below: number },
  limit: number,
): Promise<MessageRef[]> {
  const living = db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('thread_id', '=', rootId)
    .where('deleted_at', 'is', null)
    .limit(limit)
  return 'above' in place
    ? living.where('seq', '>', place.above).orderBy('seq').execute()
    : living.where('seq', '<', place.below).orderBy('seq', 'desc').execute()
}
