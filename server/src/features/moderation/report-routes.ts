import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { listReports, resolveReport } from './queue.ts'
import { reportMessages, reportUser } from './report.ts'
import {
  MessagesReported,
  ReportList,
  ReportListInput,
  ReportMessagesInput,
  ReportUserInput,
  Resolved,
  ResolveInput,
  targetAnswer,
} from './schema.ts'
import { reportToWire } from './wire.ts'

const tag = 'Moderation'

export function reportRoutes(api: Api, ctx: Pick<Context, 'db' | 'clock' | 'messages'>): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/moderation/reports/messages',
      tag,
      summary: 'Report messages to the moderators',
      description: 'Makes one report for each sender.',
      access: 'user',
      bucket: 'default',
      input: ReportMessagesInput,
      answers: { 201: MessagesReported },
      errors: [404, 429],
    },
    async ({ actor, input }) => {
      const { message_ids, category, description } = input
      const count = await reportMessages(ctx, actor, message_ids, { category, description })
      return { message: 'Messages reported successfully', reported_count: count }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/moderation/reports/users',
      tag,
      summary: 'Report a person to the moderators',
      access: 'user',
      bucket: 'default',
      input: ReportUserInput,
      answers: { 201: targetAnswer(201, 'User reported successfully') },
      errors: [404, 429],
    },
    async ({ actor, input }) => {
      const { target_user_id: id, category, description } = input
      await reportUser(ctx, actor, id, { category, description })
      return { message: 'User reported successfully', target_user_id: id }
    },
  )
  queueRoutes(api, ctx)
}

function queueRoutes(api: Api, ctx: Pick<Context, 'db' | 'clock' | 'messages'>): void {
  const needs = 'Needs the privilege `view_audit_logs` or `moderate_content`.'
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/moderation/reports',
      tag,
      summary: 'List reports',
      description: `Those on messages only for who may see the channels they are in. ${needs}`,
      access: 'user',
      bucket: 'default',
      input: ReportListInput,
      answers: { 200: ReportList },
      errors: [404],
    },
    async ({ actor, input }) => {
      const { status, before, limit } = input
      const page = { status: status ?? undefined, before: before ?? undefined, limit }
      const { reports, total } = await listReports(ctx, actor, page)
      return { reports: reports.map(reportToWire), total }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/moderation/reports/:report_id/resolve',
      tag,
      summary: 'Close a report, saying what was done',
      description: needs,
      access: 'user',
      bucket: 'default',
      params: z.object({ report_id: z.string() }),
      input: ResolveInput,
      answers: { 200: Resolved },
      errors: [404, 409],
    },
    async ({ actor, params: { report_id: id }, input }) => {
      await resolveReport(ctx, actor, id, { action: input.action, reason: input.reason })
      return { message: 'Report resolved successfully', report_id: id }
    },
  )
}
