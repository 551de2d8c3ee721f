import type { Context } from '#context'
import { badRequest } from '#http/errors.ts'
import { slotsUntil, type Slot, type Unit } from '#lib/calendar.ts'
import { isoTime } from '#lib/clock.ts'
import { isTimeZone } from '#lib/time-zone.ts'
import {
  channelFigures,
  messageFigures,
  onlineFigures,
  presenceNow,
  registrationFigures,
  statusFigures,
  type Moment,
} from './figures.ts'
import { isPeriod, periods, round, type Period } from './periods.ts'
import { rollUpMessages } from './roll-up.ts'
import { countsIn, levelsIn, type CountMetric } from './store.ts'

/** Messages that may be counted for an answer. If more are new, the task is still at it and the chart follows. */
const COUNTED_FOR_AN_ANSWER = 50_000

type Deps = Pick<Context, 'db' | 'clock'>

export interface ChartRequest {
  readonly period?: string | null | undefined
  readonly tz?: string | null | undefined
}

/** What one slot of a chart shows. */
interface Value {
  readonly primary: number
  readonly metrics: Readonly<Record<string, number>>
}

const wordFor: Readonly<Record<Unit, string>> = {
  five_minutes: 'minutes',
  hour: 'hourly',
  day: 'daily',
  week: 'weekly',
  month: 'monthly',
}

/** Counts of messages, as of now. */
export async function freshen(ctx: Pick<Context, 'db'>): Promise<void> {
  await rollUpMessages(ctx, { limit: COUNTED_FOR_AN_ANSWER })
}

/** How often something happened. @throws HttpError 400 */
async function countChart(
  ctx: Deps,
  request: ChartRequest,
  chart: { type: string; label: string; metric: CountMetric },
) {
  const { moment, period } = readRequest(ctx, request)
  const { unit, count } = periods[period]
  const slots = slotsUntil(moment.now, unit, count, moment.timeZone)
  const counts = await countsIn(ctx.db.read, chart.metric, slots)
  const values = counts.map((value): Value => ({ primary: value, metrics: { count: value } }))
  return { moment, chart_data: envelope(chart, { moment, period }, slots, values) }
}

export async function registrationChart(ctx: Deps, request: ChartRequest) {
  const chart = { type: 'user_registrations', label: 'Registrations', metric: 'registrations' } as const
  const { moment, chart_data } = await countChart(ctx, request, chart)
  return { chart_data, raw_stats: await registrationFigures(ctx.db.read, moment) }
}

export async function messageChart(ctx: Deps, request: ChartRequest) {
  readRequest(ctx, request)
  await freshen(ctx)
  const chart = { type: 'message_activity', label: 'Messages', metric: 'messages' } as const
  const { moment, chart_data } = await countChart(ctx, request, chart)
  return { chart_data, raw_stats: await messageFigures(ctx.db.read, moment) }
}

export async function channelChart(ctx: Deps, request: ChartRequest) {
  const chart = { type: 'channel_creation', label: 'Channels created', metric: 'channels' } as const
  const { moment, chart_data } = await countChart(ctx, request, chart)
  return { chart_data, raw_stats: await channelFigures(ctx.db.read, moment) }
}

/** The most people who were online at once, and on average. @throws HttpError 400 */
export async function onlineChart(ctx: Deps, request: ChartRequest) {
  const { moment, period } = readRequest(ctx, request)
  const { unit, count } = periods[period]
  const slots = slotsUntil(moment.now, unit, count, moment.timeZone)
  const levels = await levelsIn(ctx.db.read, 'online', slots)
  const { online } = await presenceNow(ctx.db.read, moment.now)
  const values = levels.map(({ samples, average, peak }, index): Value => {
    // Somebody looks every five minutes; what is now is known better.
    const isNow = index === levels.length - 1
    const most = isNow ? Math.max(peak, online) : peak
    return {
      primary: most,
      metrics: { peak: most, average: round(isNow && samples === 0 ? online : average, 1) },
    }
  })
  const chart = { type: 'online_users', label: 'Online users' }
  return {
    chart_data: envelope(chart, { moment, period }, slots, values),
    raw_stats: await onlineFigures(ctx.db.read, moment),
  }
}

export async function statusChart(ctx: Deps) {
  const now = ctx.clock()
  const raw_stats = await statusFigures(ctx.db.read, now)
  const points = [
    { label: 'Online', value: raw_stats.online_users },
    { label: 'Offline', value: raw_stats.offline_users },
    { label: 'Away', value: raw_stats.away_users },
  ]
  return {
    chart_data: {
      chart_type: 'user_status' as const,
      labels: points.map(({ label }) => label),
      datasets: [{ label: 'Users', data: points.map(({ value }) => value) }],
      chart_data: points,
      last_updated: isoTime(now),
    },
    raw_stats,
  }
}

function readRequest(
  { clock }: Pick<Context, 'clock'>,
  { period, tz }: ChartRequest,
): { moment: Moment; period: Period } {
  const name = period || 'daily'
  if (!isPeriod(name)) throw badRequest(`The period must be one of ${Object.keys(periods).join(', ')}`)
  const timeZone = tz || 'UTC'
  if (!isTimeZone(timeZone)) throw badRequest('tz must be the name of a time zone, such as Europe/Berlin')
  return { moment: { now: clock(), timeZone }, period: name }
}

/** A chart in every form that clients understand. */
function envelope(
  chart: { type: string; label: string },
  { moment, period }: { moment: Moment; period: Period },
  slots: readonly Slot[],
  values: readonly Value[],
) {
  const { unit } = periods[period]
  return {
    chart_type: chart.type,
    period,
    tz: moment.timeZone,
    labels: slots.map(({ key }) => key),
    datasets: [{ label: chart.label, data: values.map(({ primary }) => primary) }],
    chart_data: slots.map(({ key, start }, index) => ({
      time_key: key,
      primary_value: values[index]!.primary,
      metrics: { ...values[index]!.metrics },
      period: wordFor[unit],
      timestamp: isoTime(start),
      ...(unit === 'day' && { date: key }),
      ...(unit === 'week' && { weekly: key }),
      ...(unit === 'month' && { monthly: key }),
    })),
    last_updated: isoTime(moment.now),
  }
}
