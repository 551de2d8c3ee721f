import type { Context } from '#context'
import type { Db } from '#db/database.ts'
import type { ReportMessageTable, ReportTable } from '#db/tables.ts'
import type { MessageContent } from '#events/events.ts'
import { findUsers } from '#features/accounts/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { partitionChannels } from '#features/channels/index.ts'
import { messageRefs } from '#features/messages/index.ts'
import type { Actor } from '#http/access.ts'
import { conflict, forbidden, invalidField, notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { checkedReason } from './restrict.ts'
import {
  countReports,
  findReport,
  listReportMessages,
  listReportRows,
  resolveRow,
  type ReportFilter,
} from './store.ts'

const MAX_ACTION = 50

/** A report with everything that a reader may know about it. */
export interface ReportSeen {
  readonly report: ReportTable
  readonly about: readonly ReportMessageTable[]
  /** Those of the messages that are still there and that the reader may see: none of a direct conversation. */
  readonly contents: readonly MessageContent[]
  /** Names of everybody in it, by id. */
  readonly names: ReadonlyMap<string, string>
}

/**
 * The queue of reports, newest first. A report on messages is there only for who may see the channels they are in.
 *
 * @throws HttpError 403, 404 when `before` is no report
 */
export async function listReports(
  ctx: Pick<Context, 'db' | 'messages'>,
  actor: Actor,
  options: {
    status: ReportFilter['status']
    before: string | undefined
    limit: number
  },
): Promise<{ reports: ReportSeen[]; total: number }> {
  demandReader(actor)
  const db = ctx.db.read
  const channels = await partitionChannels(db, actor)
  const filter = { status: options.status, hiddenChannels: channels.hidden.map(({ id }) => id) }
  const before = options.before === undefined ? undefined : await accessReport(db, actor, options.before)
  const rows = await listReportRows(db, filter, { before, limit: options.limit })
  const messages = Map.groupBy(
    await listReportMessages(
      db,
      rows.map(({ id }) => id),
    ),
    ({ report_id }) => report_id,
  )
  const visible = new Set(channels.visible.map(({ id }) => id))
  const readable = [...messages.values()].flat().filter(({ channel_id }) => visible.has(channel_id))
  const contents = await readContents(ctx, readable)
  const names = await namesIn(db, rows)
  const reports = rows.map((report) => {
    const about = messages.get(report.id) ?? []
    return {
      report,
      about,
      contents: about.flatMap(({ message_id }) => contents.get(message_id) ?? []),
      names,
    }
  })
  return { reports, total: await countReports(db, filter) }
}

/** Closes a report, saying what was done. @throws HttpError 403, 404, 409 somebody else was faster, 422 */
export async function resolveReport(
  ctx: Pick<Context, 'db' | 'clock'>,
  actor: Actor,
  id: string,
  resolution: { action: string; reason: string | null | undefined },
): Promise<void> {
  demandReader(actor)
  const action = cleanLine(resolution.action)
  if (action === '' || characterCount(action) > MAX_ACTION) {
    throw invalidField(['body', 'action'], `must have 1 to ${MAX_ACTION} characters`, 'value_error')
  }
  const reason = checkedReason(resolution.reason)
  await ctx.db.transact(async (tx) => {
    const report = await accessReport(tx, actor, id)
    const now = ctx.clock()
    const done = { resolved_at: now, resolved_by: actor.userId, action, reason }
    if (!(await resolveRow(tx, id, done))) throw conflict('This report was resolved already')
    const about = await listReportMessages(tx, [id])
    const channelIds = [...new Set(about.map(({ channel_id }) => channel_id))]
    tx.publish({ type: 'report.resolved', reportId: id, reportType: report.type, channelIds })
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'report.resolved',
      targetType: 'report',
      targetId: id,
      details: { type: report.type, target_user_id: report.target_user_id, action, reason },
      at: now,
    })
  })
}

/** A report that `actor` may see. @throws HttpError 404, the same whether it does not exist or is hidden */
async function accessReport(db: Db, actor: Actor, id: string): Promise<ReportTable> {
  const report = isId(id) ? await findReport(db, id) : undefined
  if (!report) throw notFound('Report', id)
  const hidden = new Set((await partitionChannels(db, actor)).hidden.map((channel) => channel.id))
  const about = await listReportMessages(db, [id])
  if (about.some(({ channel_id }) => hidden.has(channel_id))) throw notFound('Report', id)
  return report
}

/** Two rights open the queue: one that clients know, and the one that moderators have. */
function demandReader({ rights }: Actor): void {
  if (rights.has('view_audit_logs') || rights.has('moderate_content')) return
  throw forbidden("This needs the privilege 'view_audit_logs' or 'moderate_content'")
}

async function readContents(
  ctx: Pick<Context, 'db' | 'messages'>,
  about: readonly ReportMessageTable[],
): Promise<Map<string, MessageContent>> {
  const db = ctx.db.read
  const refs = await messageRefs(
    db,
    about.map(({ message_id }) => message_id),
  )
  const contents = await ctx.messages.read(db, refs)
  return new Map(contents.map((content) => [content.id, content]))
}

async function namesIn(db: Db, reports: readonly ReportTable[]): Promise<Map<string, string>> {
  const ids = new Set(
    reports.flatMap((report) => [report.reporter_id, report.target_user_id, report.resolved_by ?? []].flat()),
  )
  if (ids.size === 0) return new Map()
  const users = await findUsers(db, [...ids])
  return new Map(users.map(({ id, username }) => [id, username]))
}
