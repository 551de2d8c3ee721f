import type { Db, Tx } from '#db/database.ts'
import type { MessageTable } from '#db/tables.ts'

/** A message that still has content. */
export interface LivingMessage extends MessageTable {
  kid: string
  sealed: Uint8Array
}

/** A message as it is sent; what its other columns say comes later. */
type NewMessage = Pick<
  MessageTable,
  'id' | 'channel_id' | 'seq' | 'sender_id' | 'kid' | 'sealed' | 'sent_at' | 'has_files'
> &
  Partial<Pick<MessageTable, 'reply_to_id' | 'thread_id'>>

/** Its id is new and its number was taken in this transaction, so the write cannot fail and is not waited for. */
export function insertMessage(tx: Tx, row: NewMessage): void {
  const untouched = { revision: 1, changes: 0, thread_replies: 0, reaction_count: 0 }
  tx.later(tx.insertInto('message').values({ ...row, ...untouched }))
}

export async function findMessage(db: Db, channelId: string, id: string): Promise<LivingMessage | undefined> {
  const row = await living(db).where('channel_id', '=', channelId).where('id', '=', id).executeTakeFirst()
  return row as LivingMessage | undefined
}

export interface MessageInChannel extends LivingMessage {
  channel_type: string
}

export async function findMessages(db: Db, ids: readonly string[]): Promise<MessageInChannel[]> {
  if (ids.length === 0) return []
  const rows = await db
    .selectFrom('message')
    .innerJoin('channel', 'channel.id', 'message.channel_id')
    .selectAll('message')
    .select('channel.type as channel_type')
    .where('message.id', 'in', ids)
    .where('message.deleted_at', 'is', null)
    .execute()
  return rows as MessageInChannel[]
}

/** A message in a conversation that somebody takes part in. */
export function findConversationMessage(
  db: Db,
  id: string,
  participantId: string,
): Promise<Pick<MessageTable, 'channel_id' | 'seq'> | undefined> {
  return db
    .selectFrom('message')
    .innerJoin('channel', 'channel.id', 'message.channel_id')
    .innerJoin('channel_member', 'channel_member.channel_id', 'message.channel_id')
    .select(['message.channel_id', 'message.seq'])
    .where('message.id', '=', id)
    .where('channel.type', '=', 'dm')
    .where('channel_member.user_id', '=', participantId)
    .executeTakeFirst()
}

/** Which message, as of which change: enough to know whether its content is at hand already. */
export type MessageRef = Pick<MessageTable, 'id' | 'revision' | 'changes'>

/** Messages with numbers below `seq` (or the newest), newest first. */
export function messagesBefore(
  db: Db,
  channelId: string,
  seq: number | undefined,
  page: { limit: number; offset?: number },
): Promise<MessageRef[]> {
  let query = livingRefs(db, channelId)
  if (seq !== undefined) query = query.where('seq', '<', seq)
  query = query.orderBy('seq', 'desc').limit(page.limit)
  if (page.offset !== undefined && page.offset > 0) query = query.offset(page.offset)
  return query.execute()
}

/** Messages with numbers above `seq`, oldest first. */
export function messagesAfter(db: Db, channelId: string, seq: number, limit: number): Promise<MessageRef[]> {
  return livingRefs(db, channelId).where('seq', '>', seq).orderBy('seq').limit(limit).execute()
}

/** The newest message of each channel that has one. */
export async function newestRefs(db: Db, channelIds: readonly string[]): Promise<MessageRef[]> {
  if (channelIds.length === 0) return []
  return db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('channel_id', 'in', channelIds)
    .where('seq', '=', (eb) =>
      eb
        .selectFrom('message as newer')
        .select(({ fn }) => fn.max('newer.seq').as('seq'))
        .whereRef('newer.channel_id', '=', 'message.channel_id')
        .where('newer.deleted_at', 'is', null),
    )
    .execute()
}

/** Those of `ids` that were not deleted. */
export async function messageRefs(db: Db, ids: readonly string[]): Promise<MessageRef[]> {
  if (ids.length === 0) return []
  return db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('id', 'in', ids)
    .where('deleted_at', 'is', null)
    .execute()
}

/** The channel that a message is in, whoever may see it. */
export async function channelOfMessage(db: Db, id: string): Promise<string | undefined> {
  const row = await db.selectFrom('message').select('channel_id').where('id', '=', id).executeTakeFirst()
  return row?.channel_id
}

/** Number of a message, also of a deleted one: a place in the history that stays. */
export async function seqOfMessage(db: Db, channelId: string, id: string): Promise<number | undefined> {
  const row = await db
    .selectFrom('message')
    .select('seq')
    .where('id', '=', id)
    .where('channel_id', '=', channelId)
    .executeTakeFirst()
  return row?.seq
}

/** Number of the first message sent at `time` or later. */
export async function firstSeqSince(db: Db, channelId: string, time: number): Promise<number | undefined> {
  const row = await db
    .selectFrom('message')
    .select('seq')
    .where('channel_id', '=', channelId)
    .where('sent_at', '>=', time)
    .orderBy('sent_at')
    .orderBy('seq')
    .limit(1)
    .executeTakeFirst()
  return row?.seq
}

/** What somebody sent lately in some channels and is still there, newest first. */
export function recentMessagesOf(
  db: Db,
  senderId: string,
  channelIds: readonly string[],
  { since, until, limit }: { since: number; until: number; limit: number },
): Promise<Pick<MessageTable, 'id' | 'channel_id' | 'seq' | 'has_files' | 'thread_id'>[]> {
  if (channelIds.length === 0) return Promise.resolve([])
  return db
    .selectFrom('message')
    .select(['id', 'channel_id', 'seq', 'has_files', 'thread_id'])
    .where('channel_id', 'in', channelIds)
    .where('sent_at', '>=', since)
    .where('sent_at', '<=', until)
    .where('sender_id', '=', senderId)
    .where('deleted_at', 'is', null)
    .orderBy('sent_at', 'desc')
    .orderBy('seq', 'desc')
    .limit(limit)
    .execute()
}

/** Leaves a tombstone without content. @returns false if it was one already */
export async function eraseMessage(tx: Tx, id: string, by: string, now: number): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('message')
    .set({
      sealed: null,
      kid: null,
      deleted_at: now,
      deleted_by: by,
      pinned_at: null,
      pinned_by: null,
      reaction_count: 0,
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}

/** Moves a person's place in a channel forward, never back. @returns false if it was there already */
export async function advanceReadState(
  tx: Tx,
  userId: string,
  channelId: string,
  seq: number,
  now: number,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await readStateAdvance(
    tx,
    userId,
    channelId,
    seq,
    now,
  ).executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

/** The statement of {@link advanceReadState}, for those who need not know whether it did anything. */
export function readStateAdvance(tx: Tx, userId: string, channelId: string, seq: number, now: number) {
  return tx
    .insertInto('read_state')
    .values({ user_id: userId, channel_id: channelId, read_seq: seq, updated_at: now })
    .onConflict((conflict) =>
      conflict
        .columns(['user_id', 'channel_id'])
        .doUpdateSet({ read_seq: seq, updated_at: now })
        .where('read_state.read_seq', '<', seq),
    )
}

/**
 * How many messages a person has not read, by channel: newer than their place, without tombstones and what was removed
 * because of its age.
 */
export async function unreadCounts(
  db: Db,
  userId: string,
  channelIds: readonly string[],
): Promise<Map<string, number>> {
  if (channelIds.length === 0) return new Map()
  const rows = await db
    .selectFrom('channel')
    .leftJoin('read_state', (join) =>
      join.onRef('read_state.channel_id', '=', 'channel.id').on('read_state.user_id', '=', userId),
    )
    .leftJoin('channel_retention', 'channel_retention.channel_id', 'channel.id')
    .select((eb) => [
      'channel.id',
      'channel.last_seq',
      'read_state.read_seq',
      'channel_retention.pruned_seq',
      eb
        .selectFrom('message')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .whereRef('message.channel_id', '=', 'channel.id')
        .where('message.deleted_at', 'is not', null)
        .where('message.seq', '>', eb.fn.coalesce('read_state.read_seq', eb.lit(0)))
        .as('tombstones'),
    ])
    .where('channel.id', 'in', channelIds)
    .execute()
  return new Map(
    rows.map(({ id, last_seq, read_seq, pruned_seq, tombstones }) => [
      id,
      last_seq - Math.max(read_seq ?? 0, pruned_seq ?? 0) - (tombstones ?? 0),
    ]),
  )
}

/** Ids of what a person read last: at most `perChannel` in each channel. */
export async function readMessageIds(
  db: Db,
  userId: string,
  channelIds: readonly string[],
  perChannel: number,
): Promise<string[]> {
  if (channelIds.length === 0) return []
  const rows = await db
    .selectFrom('read_state')
    .innerJoin('message', 'message.channel_id', 'read_state.channel_id')
    .select('message.id')
    .where('read_state.user_id', '=', userId)
    .where('read_state.channel_id', 'in', channelIds)
    .whereRef('message.seq', '<=', 'read_state.read_seq')
    .where((eb) => eb('message.seq', '>', eb('read_state.read_seq', '-', perChannel)))
    .where('message.deleted_at', 'is', null)
    .orderBy('message.sent_at', 'desc')
    .execute()
  return rows.map(({ id }) => id)
}

/**
 * Removes the oldest messages of a channel, tombstones too.
 *
 * @param upToSeq none after this number; all if not given
 * @returns how many, the number of the last one, and the ids of those that were sent with files
 */
export async function deleteMessages(
  tx: Tx,
  channelId: string,
  { limit, upToSeq }: { limit: number; upToSeq?: number },
): Promise<{ removed: number; lastSeq: number | undefined; withFiles: string[] }> {
  let query = tx.selectFrom('message').select(['id', 'seq', 'has_files']).where('channel_id', '=', channelId)
  if (upToSeq !== undefined) query = query.where('seq', '<=', upToSeq)
  const doomed = await query.orderBy('seq').limit(limit).execute()
  const lastSeq = doomed.at(-1)?.seq
  if (lastSeq === undefined) return { removed: 0, lastSeq, withFiles: [] }
  // Messages that answer these show the beginning of what is gone now.
  await tx
    .updateTable('message')
    .set((eb) => ({ changes: eb('changes', '+', 1) }))
    .where('reply_to_id', 'in', ({ selectFrom }) =>
      selectFrom('message').select('id').where('channel_id', '=', channelId).where('seq', '<=', lastSeq),
    )
    .execute()
  await tx.deleteFrom('message').where('channel_id', '=', channelId).where('seq', '<=', lastSeq).execute()
  const withFiles = doomed.filter(({ has_files }) => has_files === 1).map(({ id }) => id)
  return { removed: doomed.length, lastSeq, withFiles }
}

/** Forgets how far a channel was read. */
export async function deleteReadStates(tx: Tx, channelId: string): Promise<void> {
  await tx.deleteFrom('read_state').where('channel_id', '=', channelId).execute()
}

function living(db: Db) {
  return db.selectFrom('message').selectAll().where('deleted_at', 'is', null)
}

function livingRefs(db: Db, channelId: string) {
  return db
    .selectFrom('message')
    .select(['id', 'revision', 'changes'])
    .where('channel_id', '=', channelId)
    .where('deleted_at', 'is', null)
}
