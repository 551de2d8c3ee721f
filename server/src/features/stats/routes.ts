import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { channelChart, messageChart, onlineChart, registrationChart, statusChart } from './charts.ts'
import { activityMetrics, serverOverview, serverStats } from './overview.ts'
import {
  ActivityMetrics,
  ChannelChart,
  ChartInput,
  MessageChart,
  OnlineChart,
  RegistrationChart,
  ServerOverview,
  ServerStats,
  StatusChart,
} from './schema.ts'

const tag = 'Analytics'
const system = '/api/v1/system'
/** What anybody may ask for is worked out at most this often. */
const REMEMBERED_MS = 10_000

export function statRoutes(api: Api, ctx: Context): void {
  chartRoutes(api, ctx)
  const common = { method: 'POST', tag, access: 'view_server_stats', bucket: 'default' } as const

  api.endpoint(
    {
      ...common,
      path: `${system}/activity-metrics`,
      summary: 'How lively the server is',
      answers: { 200: ActivityMetrics },
    },
    async () => ({ activity_metrics: await activityMetrics(ctx) }),
  )

  api.endpoint(
    {
      ...common,
      path: `${system}/server-overview`,
      summary: 'The server in five figures',
      answers: { 200: ServerOverview },
    },
    async () => ({ server_overview: await serverOverview(ctx) }),
  )

  const remembered = remember(ctx.clock, () => serverStats(ctx))
  api.endpoint(
    {
      method: 'GET',
      path: `${system}/server-stats`,
      tag: 'Server administration',
      summary: 'How many users, channels and messages there are',
      description:
        'Weeks, months, quarters and years are the last 7, 30, 90 and 365 days. Up to 10 seconds old.',
      access: ctx.config.stats.public ? 'public' : 'view_server_stats',
      bucket: 'default',
      answers: { 200: ServerStats },
    },
    async () => {
      const statistics = await remembered()
      return { statistics, stats: statistics }
    },
  )
}

function chartRoutes(api: Api, ctx: Context): void {
  const common = { method: 'POST', tag, access: 'view_server_stats', bucket: 'default' } as const
  const withPeriod = { ...common, input: ChartInput } as const

  api.endpoint(
    {
      ...withPeriod,
      path: `${system}/charts/user-registrations`,
      summary: 'Chart: how many signed up',
      answers: { 200: RegistrationChart },
    },
    ({ input }) => registrationChart(ctx, input),
  )

  api.endpoint(
    {
      ...withPeriod,
      path: `${system}/charts/message-activity`,
      summary: 'Chart: how many messages were sent',
      description:
        'Messages that were deleted or removed since were sent all the same. `total_messages` are those there are.',
      answers: { 200: MessageChart },
    },
    ({ input }) => messageChart(ctx, input),
  )

  api.endpoint(
    {
      ...withPeriod,
      path: `${system}/charts/online-users`,
      summary: 'Chart: how many were online at once',
      description: 'Looked at every five minutes. `metrics` has the average as well.',
      answers: { 200: OnlineChart },
    },
    ({ input }) => onlineChart(ctx, input),
  )

  api.endpoint(
    {
      ...withPeriod,
      path: `${system}/charts/channel-creation`,
      summary: 'Chart: how many channels were created',
      answers: { 200: ChannelChart },
    },
    ({ input }) => channelChart(ctx, input),
  )

  api.endpoint(
    {
      ...common,
      path: `${system}/charts/user-status`,
      summary: 'Chart: how many show which status now',
      answers: { 200: StatusChart },
    },
    () => statusChart(ctx),
  )
}

/** Answers the same to all who ask within a while, and works it out once however many ask at once. */
function remember<T>(clock: () => number, read: () => Promise<T>): () => Promise<T> {
  let known: { at: number; value: Promise<T> } | undefined
  return () => {
    const now = clock()
    if (!known || now - known.at >= REMEMBERED_MS || now < known.at) {
      const value = read()
      known = { at: now, value }
      value.catch(() => {
        if (known?.value === value) known = undefined
      })
    }
    return known.value
  }
}
