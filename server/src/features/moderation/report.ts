import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { ReportTable } from '#db/tables.ts'
import { lockUser } from '#features/accounts/index.ts'
import { accessMessageAnywhere } from '#features/messages/index.ts'
import type { Actor } from '#http/access.ts'
import { badRequest, HttpError, invalidField, notFound } from '#http/errors.ts'
import { isId, newId } from '#lib/id.ts'
import { characterCount, cleanLine, cleanText } from '#lib/text.ts'
import { countPending, insertReport } from './store.ts'

const MAX_CATEGORY = 100
const MAX_DESCRIPTION = 500
/** Reports of one person that wait at a time: whoever has more gets an answer to those first. */
const MAX_PENDING = 100

type Deps = Pick<Context, 'db' | 'clock'>

export interface Complaint {
  readonly category: string
  readonly description: string | null | undefined
}

/**
 * Asks the moderators to look at messages that `actor` may see: one report for each of their senders.
 *
 * @returns how many messages were reported
 * @throws HttpError 404 when one of them is not there, 422, 429
 */
export async function reportMessages(
  ctx: Deps,
  actor: Actor,
  messageIds: readonly string[],
  complaint: Complaint,
): Promise<number> {
  const checked = checkedComplaint(complaint)
  const ids = [...new Set(messageIds)]
  await ctx.db.transact(async (tx) => {
    const messages = []
    for (const id of ids) messages.push((await accessMessageAnywhere(tx, actor, id)).message)
    const bySender = Map.groupBy(messages, ({ sender_id }) => sender_id)
    await demandRoom(tx, actor, bySender.size)
    for (const [senderId, theirs] of bySender) {
      const report = reportRow(ctx, actor, { type: 'message_report', targetId: senderId, ...checked })
      const about = theirs.map((message) => ({
        report_id: report.id,
        message_id: message.id,
        channel_id: message.channel_id,
      }))
      await insertReport(tx, report, about)
      const channelIds = [...new Set(about.map(({ channel_id }) => channel_id))]
      tx.publish({ type: 'report.created', reportId: report.id, reportType: report.type, channelIds })
    }
  })
  return ids.length
}

/** Asks the moderators to look at a person. @throws HttpError 400 oneself, 404, 422, 429 */
export async function reportUser(
  ctx: Deps,
  actor: Actor,
  targetId: string,
  complaint: Complaint,
): Promise<void> {
  const checked = checkedComplaint(complaint)
  if (targetId === actor.userId) throw badRequest('You cannot report yourself')
  await ctx.db.transact(async (tx) => {
    if (!isId(targetId) || !(await lockUser(tx, targetId))) throw notFound('User', targetId)
    await demandRoom(tx, actor, 1)
    const report = reportRow(ctx, actor, { type: 'user_report', targetId, ...checked })
    await insertReport(tx, report)
    tx.publish({ type: 'report.created', reportId: report.id, reportType: report.type, channelIds: [] })
  })
}

async function demandRoom(tx: Tx, actor: Actor, more: number): Promise<void> {
  // One at a time of each person, so that the count holds.
  await lockUser(tx, actor.userId)
  if ((await countPending(tx, actor.userId)) + more > MAX_PENDING) {
    throw new HttpError(429, 'Too many of your reports wait for an answer', { retryAfterSeconds: 3600 })
  }
}

function reportRow(
  ctx: Deps,
  actor: Actor,
  about: {
    type: ReportTable['type']
    targetId: string
    category: string
    description: string | null
  },
): ReportTable {
  const now = ctx.clock()
  return {
    id: newId(now),
    type: about.type,
    category: about.category,
    description: about.description,
    reporter_id: actor.userId,
    target_user_id: about.targetId,
    created_at: now,
    resolved_at: null,
    resolved_by: null,
    action: null,
    reason: null,
  }
}

function checkedComplaint(complaint: Complaint): { category: string; description: string | null } {
  const category = cleanLine(complaint.category)
  if (category === '' || characterCount(category) > MAX_CATEGORY) {
    throw invalidField(['body', 'category'], `must have 1 to ${MAX_CATEGORY} characters`, 'value_error')
  }
  const description = cleanText(complaint.description ?? '').trim()
  if (characterCount(description) > MAX_DESCRIPTION) {
    const message = `must have at most ${MAX_DESCRIPTION} characters`
    throw invalidField(['body', 'description'], message, 'string_too_long')
  }
  return { category, description: description === '' ? null : description }
}
