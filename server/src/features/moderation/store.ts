import type { Db, Tx } from '#db/database.ts'
import type { ReportMessageTable, ReportTable } from '#db/tables.ts'

export async function insertReport(
  tx: Tx,
  report: ReportTable,
  messages: readonly ReportMessageTable[] = [],
): Promise<void> {
  await tx.insertInto('report').values(report).execute()
  if (messages.length > 0) await tx.insertInto('report_message').values(messages).execute()
}

/** How many reports of somebody nobody has looked at yet. */
export async function countPending(db: Db, reporterId: string): Promise<number> {
  const { count } = await db
    .selectFrom('report')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('reporter_id', '=', reporterId)
    .where('resolved_at', 'is', null)
    .executeTakeFirstOrThrow()
  return count
}

export function findReport(db: Db, id: string): Promise<ReportTable | undefined> {
  return db.selectFrom('report').selectAll().where('id', '=', id).executeTakeFirst()
}

export interface ReportFilter {
  readonly status: 'pending' | 'resolved' | undefined
  /** Channels that the reader may not see: reports on messages in them are left out. */
  readonly hiddenChannels: readonly string[]
}

/** Reports that fit `filter`, newest first, older than `before` if given. */
export function listReportRows(
  db: Db,
  filter: ReportFilter,
  page: { before: ReportTable | undefined; limit: number },
): Promise<ReportTable[]> {
  let query = matching(db, filter).selectAll('report')
  const { before } = page
  if (before) {
    query = query.where((where) =>
      where.or([
        where('report.created_at', '<', before.created_at),
        where.and([where('report.created_at', '=', before.created_at), where('report.id', '<', before.id)]),
      ]),
    )
  }
  return query.orderBy('report.created_at', 'desc').orderBy('report.id', 'desc').limit(page.limit).execute()
}

export async function countReports(db: Db, filter: ReportFilter): Promise<number> {
  const { count } = await matching(db, filter)
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return count
}

function matching(db: Db, { status, hiddenChannels }: ReportFilter) {
  let query = db.selectFrom('report')
  if (status === 'pending') query = query.where('resolved_at', 'is', null)
  if (status === 'resolved') query = query.where('resolved_at', 'is not', null)
  if (hiddenChannels.length > 0) {
    query = query.where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('report_message')
            .select('report_message.report_id')
            .whereRef('report_message.report_id', '=', 'report.id')
            .where('report_message.channel_id', 'in', hiddenChannels),
        ),
      ),
    )
  }
  return query
}

/** The messages that reports are about. */
export function listReportMessages(db: Db, reportIds: readonly string[]): Promise<ReportMessageTable[]> {
  if (reportIds.length === 0) return Promise.resolve([])
  return db
    .selectFrom('report_message')
    .selectAll()
    .where('report_id', 'in', reportIds)
    .orderBy('message_id')
    .execute()
}

/** @returns false if somebody else has resolved it */
export async function resolveRow(
  tx: Tx,
  id: string,
  resolution: Pick<ReportTable, 'resolved_at' | 'resolved_by' | 'action' | 'reason'>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('report')
    .set(resolution)
    .where('id', '=', id)
    .where('resolved_at', 'is', null)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
