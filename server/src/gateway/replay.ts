import type { Context } from '#context'
import type { EventTable } from '#db/tables.ts'
import type { LoggedEvent, MessageContent } from '#events/events.ts'
import { factsOf } from '#features/channels/index.ts'
import { messageRefs } from '#features/messages/index.ts'
import type { Db } from '#db/database.ts'
import type { Audience, Viewer } from './audience.ts'
import type { Cursor } from './cursor.ts'

/** Rows of the log that are looked at for one resume, whosever they are. */
const MAX_SCANNED = 20_000

/** A row of the event log, and the event that it stands for. */
export interface RestoredEvent {
  readonly row: EventTable
  readonly event: LoggedEvent
}

/**
 * What a viewer missed between two cursors, in the order it happened, as it stands now: what they may not see any
 * more, and messages deleted since, are left out.
 *
 * @param to where live events took over
 * @returns undefined when `from` is too old, too far back, or not of this server's log
 */
export async function missedEvents(
  ctx: Pick<Context, 'db' | 'messages' | 'config'>,
  audience: Audience,
  viewer: Viewer,
  channelId: string | undefined,
  { from, to }: { from: Cursor; to: Cursor },
): Promise<RestoredEvent[] | undefined> {
  const db = ctx.db.read
  const streams = await db.selectFrom('event_stream').selectAll().execute()
  for (const stream of from.keys()) if (!streams.some((known) => known.stream === stream)) return undefined
  const rows: EventTable[] = []
  for (const { stream, pruned_pos } of streams) {
    const [start, end] = [from.get(stream) ?? 0, to.get(stream) ?? 0]
    if (start < pruned_pos || start > end || end - start > MAX_SCANNED) return undefined
    if (start === end) continue
    rows.push(
      ...(await db
        .selectFrom('event')
        .selectAll()
        .where('stream', '=', stream)
        .where('pos', '>', start)
        .where('pos', '<=', end)
        .orderBy('pos')
        .execute()),
    )
  }
  // Within a stream positions decide; between streams the clock is as good as anything.
  if (streams.length > 1) rows.sort((a, b) => a.at - b.at || a.stream - b.stream || a.pos - b.pos)
  const relevant = rows.filter((row) => concerns(row, audience, viewer, channelId))
  if (relevant.length > ctx.config.gateway.resume_limit) return undefined
  return restoreEvents(ctx, relevant)
}

function concerns(
  row: EventTable,
  audience: Audience,
  viewer: Viewer,
  channelId: string | undefined,
): boolean {
  if (channelId !== undefined && row.channel_id !== channelId) return false
  if (row.type === 'channel.member_removed' && row.ref_id === viewer.userId) return true
  if (!audience.maySee(viewer, row.channel_id)) return false
  return row.type === 'channel.deleted' || !audience.isDeleted(row.channel_id)
}

const aboutMessages: ReadonlySet<string> = new Set<LoggedEvent['type']>([
  'message.sent',
  'message.edited',
  'message.pinned',
  'message.unpinned',
  'reaction.added',
  'reaction.removed',
])

/** The message that must be read to restore an event. */
function messageIdOf({ type, ref_id }: EventTable): string | undefined {
  return aboutMessages.has(type) ? ref_id?.split(' ', 1)[0] : undefined
}

/** Turns rows of the log, which hold no content, into events with what the database holds now. */
export async function restoreEvents(
  ctx: Pick<Context, 'db' | 'messages'>,
  rows: readonly EventTable[],
): Promise<RestoredEvent[]> {
  const db = ctx.db.read
  const messageIds = new Set(rows.flatMap((row) => messageIdOf(row) ?? []))
  const contents = await ctx.messages.read(db, await messageRefs(db, [...messageIds]))
  const messages = new Map(contents.map((content) => [content.id, content]))
  const missed: RestoredEvent[] = []
  for (const row of rows) {
    const event = await restoreOne(db, row, messages)
    if (event) missed.push({ row, event })
  }
  return missed
}

async function restoreOne(
  db: Db,
  row: EventTable,
  messages: ReadonlyMap<string, MessageContent>,
): Promise<LoggedEvent | undefined> {
  const { channel_id: channelId, ref_id: ref } = row
  switch (row.type as LoggedEvent['type']) {
    case 'message.sent':
    case 'message.edited': {
      const message = messages.get(ref!)
      return message && { type: row.type === 'message.sent' ? row.type : 'message.edited', message }
    }
    case 'reaction.added':
    case 'reaction.removed': {
      const [messageId, userId, ...emoji] = ref!.split(' ')
      const message = messages.get(messageId!)
      if (!message) return undefined
      const type = row.type === 'reaction.added' ? row.type : 'reaction.removed'
      const { reactions } = message
      return { type, channelId, messageId: message.id, userId: userId!, emoji: emoji.join(' '), reactions }
    }
    case 'message.pinned':
    case 'message.unpinned': {
      const [messageId, userId] = ref!.split(' ')
      const message = messages.get(messageId!)
      if (!message) return undefined
      // It may have been pinned and unpinned since: what it is now counts.
      const type = message.pinned ? 'message.pinned' : 'message.unpinned'
      return { type, channelId, messageId: message.id, userId: userId! }
    }
    case 'message.deleted': {
      const tombstone = await db.selectFrom('message').select('seq').where('id', '=', ref!).executeTakeFirst()
      return tombstone && { type: 'message.deleted', channelId, messageId: ref!, seq: tombstone.seq }
    }
    case 'messages.pruned':
      return { type: 'messages.pruned', channelId, upToSeq: Number(ref) }
    case 'channel.created':
    case 'channel.updated':
    case 'channel.member_added': {
      const channel = await db
        .selectFrom('channel')
        .selectAll()
        .where('id', '=', channelId)
        .executeTakeFirst()
      if (!channel) return undefined
      const facts = factsOf(channel)
      if (row.type === 'channel.member_added') return { type: row.type, channel: facts, userId: ref! }
      return { type: row.type === 'channel.created' ? row.type : 'channel.updated', channel: facts }
    }
    case 'channel.deleted':
      return { type: 'channel.deleted', channelId }
    case 'channel.member_removed':
      return { type: 'channel.member_removed', channelId, userId: ref! }
  }
}
