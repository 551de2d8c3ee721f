import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'
import { periods } from './periods.ts'

export const ChartInput = z.object({
  period: z
    .string()
    .max(100)
    .nullish()
    .meta({
      description:
        'One of ' +
        Object.keys(periods)
          .map((name) => `\`${name}\``)
          .join(', ') +
        '. Default: `daily`.',
    }),
  tz: z
    .string()
    .max(100)
    .nullish()
    .meta({ description: 'Whose days count: a time zone such as `Europe/Berlin`. Default: `UTC`.' }),
})

const ChartPoint = z.object({
  time_key: z.string().meta({
    example: '2026-11-24',
    description: '`YYYY-MM-DD`, `YYYY-Www`, `YYYY-MM` or `YYYY-MM-DD HH:MM`.',
  }),
  primary_value: z.number(),
  metrics: z.record(z.string(), z.number()),
  period: z.string().meta({ description: '`minutes`, `hourly`, `daily`, `weekly` or `monthly`.' }),
  timestamp: IsoTime.meta({ description: 'Beginning of the slot.' }),
  date: z.string().optional(),
  weekly: z.string().optional(),
  monthly: z.string().optional(),
})

const Chart = z
  .object({
    chart_type: z.string(),
    period: z.string(),
    tz: z.string(),
    labels: z.array(z.string()),
    datasets: z.array(z.object({ label: z.string(), data: z.array(z.number()) })),
    chart_data: z.array(ChartPoint).meta({ description: 'Oldest first; the last one is not over yet.' }),
    last_updated: IsoTime,
  })
  .meta({ id: 'Chart' })

/** A chart with its figures. */
function chartAnswer<const N extends string>(...names: readonly N[]) {
  const shape = Object.fromEntries(names.map((name) => [name, z.number()])) as Record<N, z.ZodNumber>
  return z.object({ status_code: z.literal(200), chart_data: Chart, raw_stats: z.object(shape) })
}

export const RegistrationChart = chartAnswer(
  'total_users',
  'new_this_week',
  'new_this_month',
  'online_now',
  'recently_active',
  'growth_rate_week',
  'growth_rate_month',
  'peak_registrations',
  'avg_daily_registrations',
)

export const MessageChart = chartAnswer(
  'total_messages',
  'messages_today',
  'messages_this_week',
  'messages_this_month',
  'messages_this_quarter',
  'messages_this_year',
  'growth_rate_week',
  'growth_rate_month',
  'peak_activity',
  'avg_daily_messages',
  'messages_per_user',
)

export const OnlineChart = chartAnswer(
  'currently_online',
  'recently_active',
  'peak_online_today',
  'avg_online_today',
  'peak_online_week',
  'avg_online_week',
  'total_users',
  'online_percentage',
)

export const ChannelChart = chartAnswer(
  'total_channels',
  'public_channels',
  'private_channels',
  'new_this_week',
  'new_this_month',
  'growth_rate_week',
  'growth_rate_month',
  'peak_creations',
  'avg_daily_creations',
)

export const StatusChart = z.object({
  status_code: z.literal(200),
  chart_data: z.object({
    chart_type: z.literal('user_status'),
    labels: z.array(z.string()),
    datasets: z.array(z.object({ label: z.string(), data: z.array(z.number()) })),
    chart_data: z.array(z.object({ label: z.string(), value: z.number() })),
    last_updated: IsoTime,
  }),
  raw_stats: z.object({
    online_users: z.number(),
    offline_users: z.number(),
    away_users: z.number(),
    total_users: z.number(),
  }),
})

export const ActivityMetrics = z.object({
  status_code: z.literal(200),
  activity_metrics: z.object({
    total_users: z.int(),
    total_channels: z.int(),
    messages_per_hour: z.number().meta({ description: 'On average of the last 24 hours.' }),
    active_users_24h: z.int(),
    active_users_7d: z.int(),
    active_users_30d: z.int(),
    current_online: z.int(),
    engagement_rate: z
      .number()
      .meta({ description: 'Percent of all users who were there in the last 24 hours.' }),
    messages_per_active_user: z.number().meta({ description: 'In the last 24 hours.' }),
    channel_utilization: z
      .number()
      .meta({ description: 'Percent of all channels in which something was said in the last 24 hours.' }),
    last_updated: IsoTime,
  }),
})

export const ServerOverview = z.object({
  status_code: z.literal(200),
  server_overview: z.object({
    total_users: z.int(),
    total_channels: z.int(),
    messages_last_hour: z.int(),
    active_users: z.int().meta({ description: 'Everybody who is not offline.' }),
    messages_this_period: z.int().meta({ description: 'In the last 7 days.' }),
  }),
})

const Statistics = z
  .object({
    timestamp: IsoTime,
    users: z.object({
      total: z.int(),
      online: z.int(),
      recently_active: z.int(),
      new_this_week: z.int(),
      new_this_month: z.int(),
    }),
    channels: z.object({
      total: z.int(),
      public: z.int(),
      private: z.int(),
      new_this_week: z.int(),
      new_this_month: z.int(),
    }),
    messages: z.object({
      total: z.int(),
      past_24h: z.int(),
      past_week: z.int(),
      past_month: z.int(),
      past_quarter: z.int(),
      past_year: z.int(),
    }),
    system: z.object({ uptime: z.null(), last_updated: IsoTime }),
  })
  .meta({ id: 'ServerStatistics' })

export const ServerStats = z.object({
  status_code: z.literal(200),
  statistics: Statistics,
  stats: Statistics.meta({ description: 'The same.' }),
})
