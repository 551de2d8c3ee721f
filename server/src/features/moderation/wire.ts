import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import type { ReportSeen } from './queue.ts'

export function reportToWire({ report, about, contents, names }: ReportSeen) {
  const named = (id: string | null) => {
    const username = id === null ? undefined : names.get(id)
    return id === null || username === undefined ? null : { id, username }
  }
  const common = {
    id: report.id,
    type: report.type,
    status: report.resolved_at === null ? ('pending' as const) : ('resolved' as const),
    category: report.category,
    description: report.description,
    reporter: named(report.reporter_id),
    reported_at: isoTime(report.created_at),
    resolved_at: isoTimeOrNull(report.resolved_at),
    resolved_by: named(report.resolved_by),
    action: report.action,
    reason: report.reason,
  }
  if (report.type === 'user_report') return { ...common, target_user: named(report.target_user_id) }
  return {
    ...common,
    message_ids: about.map(({ message_id }) => message_id),
    channel_ids: [...new Set(about.map(({ channel_id }) => channel_id))],
    sender: named(report.target_user_id),
    messages: contents.map(({ id, channelId, text, sentAt }) => ({
      message_id: id,
      channel_id: channelId,
      message: text,
      sent_at: isoTime(sentAt),
    })),
  }
}
