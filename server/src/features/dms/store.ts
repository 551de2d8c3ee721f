import type { Db, Tx } from '#db/database.ts'
import type { ChannelTable, ConversationTable } from '#db/tables.ts'

/** A conversation with the row of its channel. */
export interface Conversation extends ChannelTable {
  kind: ConversationTable['kind']
  pair_key: string | null
  active_at: number
}

function conversations(db: Db) {
  return db
    .selectFrom('conversation')
    .innerJoin('channel', 'channel.id', 'conversation.channel_id')
    .selectAll('channel')
    .select(['conversation.kind', 'conversation.pair_key', 'conversation.active_at'])
}

export function findConversation(db: Db, channelId: string): Promise<Conversation | undefined> {
  return conversations(db).where('channel.id', '=', channelId).executeTakeFirst()
}

/** The one direct conversation of two people. */
export function findDirect(db: Db, pairKey: string): Promise<Conversation | undefined> {
  return conversations(db).where('conversation.pair_key', '=', pairKey).executeTakeFirst()
}

/** The conversation with its kind and people, as needed with every message that is sent in it. */
export function findKind(
  db: Db,
  channelId: string,
): Promise<Pick<ConversationTable, 'kind' | 'pair_key'> | undefined> {
  return db
    .selectFrom('conversation')
    .select(['kind', 'pair_key'])
    .where('channel_id', '=', channelId)
    .executeTakeFirst()
}

/** Number of the newest message of a conversation. */
export async function lastSeq(db: Db, channelId: string): Promise<number> {
  const row = await db.selectFrom('channel').select('last_seq').where('id', '=', channelId).executeTakeFirst()
  return row?.last_seq ?? 0
}

/**
 * Adds a conversation and its channel. Two people who write to each other at the same moment make the same rows, and
 * the second waits for the first.
 *
 * @returns false if it was there already
 */
export async function insertConversation(
  tx: Tx,
  channel: ChannelTable,
  conversation: ConversationTable,
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('channel')
    .values(channel)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirstOrThrow()
  if (numInsertedOrUpdatedRows !== 1n) return false
  await tx.insertInto('conversation').values(conversation).execute()
  return true
}

/** Ids of those who take part, by conversation, in the order they came. */
export async function participantsOf(db: Db, channelIds: readonly string[]): Promise<Map<string, string[]>> {
  const participants = new Map<string, string[]>(channelIds.map((id) => [id, []]))
  if (channelIds.length === 0) return participants
  const rows = await db
    .selectFrom('channel_member')
    .select(['channel_id', 'user_id'])
    .where('channel_id', 'in', channelIds)
    .orderBy('added_at')
    .orderBy('user_id')
    .execute()
  for (const { channel_id, user_id } of rows) participants.get(channel_id)!.push(user_id)
  return participants
}

/** Takes the row of a conversation's channel, so that whoever else changes the conversation waits. */
export function lockConversation(tx: Tx, channelId: string, now: number): Promise<ChannelTable | undefined> {
  return tx
    .updateTable('channel')
    .set({ updated_at: now })
    .where('id', '=', channelId)
    .where('type', '=', 'dm')
    .returningAll()
    .executeTakeFirst()
}

export async function renameChannel(tx: Tx, channelId: string, name: string): Promise<void> {
  await tx.updateTable('channel').set({ name }).where('id', '=', channelId).execute()
}

/** Something was said in a conversation: it moves to the top of everybody's list. */
export function touchConversation(tx: Tx, channelId: string, now: number): void {
  tx.later(tx.updateTable('conversation').set({ active_at: now }).where('channel_id', '=', channelId))
}

/** Conversations that a person takes part in and that say something or are groups, the last active first. */
export function listConversations(
  db: Db,
  userId: string,
  page: { limit: number; before: { activeAt: number; channelId: string } | undefined },
): Promise<Conversation[]> {
  let query = conversations(db)
    .innerJoin('channel_member', 'channel_member.channel_id', 'channel.id')
    .where('channel_member.user_id', '=', userId)
    .where((where) => where.or([where('channel.last_seq', '>', 0), where('kind', '=', 'group')]))
  const { before } = page
  if (before) {
    query = query.where((where) =>
      where.or([
        where('active_at', '<', before.activeAt),
        where.and([where('active_at', '=', before.activeAt), where('channel.id', '<', before.channelId)]),
      ]),
    )
  }
  return query.orderBy('active_at', 'desc').orderBy('channel.id', 'desc').limit(page.limit).execute()
}

/** Whether two people have anything in common that not everybody has: a private channel, or a conversation. */
export async function areAcquainted(db: Db, a: string, b: string): Promise<boolean> {
  const row = await db
    .selectFrom('channel_member as mine')
    .innerJoin('channel_member as theirs', 'theirs.channel_id', 'mine.channel_id')
    .innerJoin('channel', 'channel.id', 'mine.channel_id')
    .select('channel.id')
    .where('mine.user_id', '=', a)
    .where('theirs.user_id', '=', b)
    .where('channel.is_private', '=', 1)
    .where('channel.deleted_at', 'is', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}

/** Whether somebody who takes part lives on another server. */
export async function hasRemoteParticipant(db: Db, channelId: string): Promise<boolean> {
  const row = await db
    .selectFrom('channel_member')
    .innerJoin('user', 'user.id', 'channel_member.user_id')
    .select('user.id')
    .where('channel_member.channel_id', '=', channelId)
    .where('user.origin_server', 'is not', null)
    .limit(1)
    .executeTakeFirst()
  return row !== undefined
}
