import type { Db } from '#db/database.ts'
import { floorToFiveMinutes, slotsUntil, startOfDay } from '#lib/calendar.ts'
import { countActiveSince, countChannels, countMessages, countStatuses, countUsers } from './figures-store.ts'
import { growth, percentage, piecesOf, round, spans } from './periods.ts'
import { countsIn, levelsIn, type CountMetric } from './store.ts'

const FIVE_MINUTES = 5 * 60 * 1000
const DAYS_COMPARED = 30

/** The moment that figures are about, and whose days count. */
export interface Moment {
  readonly now: number
  readonly timeZone: string
}

/**
 * How often something happened in stretches of time that reach up to now, in the order of `stretches`, which ascend.
 * They begin at a full five minutes.
 */
export async function countsUpToNow(
  db: Db,
  metric: CountMetric,
  now: number,
  stretches: readonly number[],
): Promise<number[]> {
  const from = floorToFiveMinutes(now)
  const pieces = await countsIn(db, metric, piecesOf(stretches, from, from + FIVE_MINUTES))
  let sum = 0
  return pieces.map((count) => (sum += count))
}

/** How something went in the last weeks and months, and on its days. */
export interface Course {
  readonly week: number
  readonly month: number
  readonly quarter: number
  readonly year: number
  /** Against the week before, in percent. */
  readonly growthOfWeek: number
  /** Against the month before, in percent. */
  readonly growthOfMonth: number
  readonly today: number
  /** The most on one of the last 30 days. */
  readonly peak: number
  /** On one of the last 30 days, today included. */
  readonly average: number
}

async function courseOf(db: Db, metric: CountMetric, { now, timeZone }: Moment): Promise<Course> {
  const { week, month, quarter, year } = spans
  const [ofWeek, ofTwo, ofMonth, ofTwoMonths, ofQuarter, ofYear] = (await countsUpToNow(db, metric, now, [
    week,
    2 * week,
    month,
    2 * month,
    quarter,
    year,
  ])) as [number, number, number, number, number, number]
  const days = await countsIn(db, metric, slotsUntil(now, 'day', DAYS_COMPARED, timeZone))
  return {
    week: ofWeek,
    month: ofMonth,
    quarter: ofQuarter,
    year: ofYear,
    growthOfWeek: growth(ofWeek, ofTwo - ofWeek),
    growthOfMonth: growth(ofMonth, ofTwoMonths - ofMonth),
    today: days.at(-1)!,
    peak: Math.max(...days),
    average: round(days.reduce((sum, count) => sum + count, 0) / DAYS_COMPARED, 2),
  }
}

/** Who is there now. */
export interface Presence {
  readonly total: number
  /** Everybody who is not offline. */
  readonly online: number
  readonly away: number
  /** In the last 24 hours. */
  readonly active: number
}

export async function presenceNow(db: Db, now: number): Promise<Presence> {
  const statuses = await countStatuses(db)
  const of = (status: string): number => statuses.get(status) ?? 0
  return {
    total: await countUsers(db),
    online: of('online') + of('idle') + of('afk') + of('dnd'),
    away: of('idle') + of('afk'),
    active: await countActiveSince(db, now - spans.day),
  }
}

/*
 * The figures beside each chart, under the names that clients know. Weeks, months, quarters and years are the last 7, 30,
 * 90 and 365 days.
 */

export async function registrationFigures(db: Db, moment: Moment) {
  const course = await courseOf(db, 'registrations', moment)
  const { total, online, active } = await presenceNow(db, moment.now)
  return {
    total_users: total,
    new_this_week: course.week,
    new_this_month: course.month,
    online_now: online,
    recently_active: active,
    growth_rate_week: course.growthOfWeek,
    growth_rate_month: course.growthOfMonth,
    peak_registrations: course.peak,
    avg_daily_registrations: course.average,
  }
}

export async function messageFigures(db: Db, moment: Moment) {
  const course = await courseOf(db, 'messages', moment)
  const total = await countMessages(db)
  const users = await countUsers(db)
  return {
    total_messages: total,
    messages_today: course.today,
    messages_this_week: course.week,
    messages_this_month: course.month,
    messages_this_quarter: course.quarter,
    messages_this_year: course.year,
    growth_rate_week: course.growthOfWeek,
    growth_rate_month: course.growthOfMonth,
    peak_activity: course.peak,
    avg_daily_messages: course.average,
    messages_per_user: users === 0 ? 0 : round(total / users, 2),
  }
}

export async function channelFigures(db: Db, moment: Moment) {
  const course = await courseOf(db, 'channels', moment)
  const channels = await countChannels(db)
  return {
    total_channels: channels.total,
    public_channels: channels.public,
    private_channels: channels.private,
    new_this_week: course.week,
    new_this_month: course.month,
    growth_rate_week: course.growthOfWeek,
    growth_rate_month: course.growthOfMonth,
    peak_creations: course.peak,
    avg_daily_creations: course.average,
  }
}

export async function onlineFigures(db: Db, { now, timeZone }: Moment) {
  const { total, online, active } = await presenceNow(db, now)
  const end = floorToFiveMinutes(now) + FIVE_MINUTES
  const [today, week] = await levelsIn(db, 'online', [
    { start: startOfDay(now, timeZone), end },
    { start: floorToFiveMinutes(now) - spans.week, end },
  ])
  return {
    currently_online: online,
    recently_active: active,
    peak_online_today: Math.max(online, today!.peak),
    avg_online_today: round(today!.samples === 0 ? online : today!.average, 1),
    peak_online_week: Math.max(online, week!.peak),
    avg_online_week: round(week!.samples === 0 ? online : week!.average, 1),
    total_users: total,
    online_percentage: percentage(online, total),
  }
}

export async function statusFigures(db: Db, now: number) {
  const { total, online, away } = await presenceNow(db, now)
  return {
    online_users: online - away,
    offline_users: total - online,
    away_users: away,
    total_users: total,
  }
}
