import type { Context } from '#context'
import { isoTime } from '#lib/clock.ts'
import { freshen } from './charts.ts'
import { countsUpToNow, presenceNow } from './figures.ts'
import { countActiveDays, countBusyChannels, countChannels, countMessages } from './figures-store.ts'
import { percentage, round, spans } from './periods.ts'

type Deps = Pick<Context, 'db' | 'clock'>

/** Counts that tell nothing about anybody. */
export async function serverStats(ctx: Deps) {
  await freshen(ctx)
  const db = ctx.db.read
  const now = ctx.clock()
  const { hour: _hour, ...stretches } = spans
  const [past24h, week, month, quarter, year] = (await countsUpToNow(
    db,
    'messages',
    now,
    Object.values(stretches),
  )) as [number, number, number, number, number]
  const since = [spans.week, spans.month]
  const [usersOfWeek, usersOfMonth] = (await countsUpToNow(db, 'registrations', now, since)) as [
    number,
    number,
  ]
  const [channelsOfWeek, channelsOfMonth] = (await countsUpToNow(db, 'channels', now, since)) as [
    number,
    number,
  ]
  const presence = await presenceNow(db, now)
  return {
    timestamp: isoTime(now),
    users: {
      total: presence.total,
      online: presence.online,
      recently_active: presence.active,
      new_this_week: usersOfWeek,
      new_this_month: usersOfMonth,
    },
    channels: {
      ...(await countChannels(db)),
      new_this_week: channelsOfWeek,
      new_this_month: channelsOfMonth,
    },
    messages: {
      total: await countMessages(db),
      past_24h: past24h,
      past_week: week,
      past_month: month,
      past_quarter: quarter,
      past_year: year,
    },
    system: { uptime: null, last_updated: isoTime(now) },
  }
}

/** How lively the server is. */
export async function activityMetrics(ctx: Deps) {
  await freshen(ctx)
  const db = ctx.db.read
  const now = ctx.clock()
  const [messages] = (await countsUpToNow(db, 'messages', now, [spans.day])) as [number]
  const { total, online, active } = await presenceNow(db, now)
  const channels = await countChannels(db)
  return {
    total_users: total,
    total_channels: channels.total,
    messages_per_hour: round(messages / 24, 2),
    active_users_24h: active,
    // The days are counted from samples, which come a little later than people.
    active_users_7d: Math.max(active, await countActiveDays(db, 7, now)),
    active_users_30d: Math.max(active, await countActiveDays(db, 30, now)),
    current_online: online,
    engagement_rate: percentage(active, total),
    messages_per_active_user: active === 0 ? 0 : round(messages / active, 2),
    channel_utilization: percentage(await countBusyChannels(db, now - spans.day), channels.total),
    last_updated: isoTime(now),
  }
}

export async function serverOverview(ctx: Deps) {
  await freshen(ctx)
  const db = ctx.db.read
  const now = ctx.clock()
  const [ofHour, ofWeek] = (await countsUpToNow(db, 'messages', now, [spans.hour, spans.week])) as [
    number,
    number,
  ]
  const { total, online } = await presenceNow(db, now)
  return {
    total_users: total,
    total_channels: (await countChannels(db)).total,
    messages_last_hour: ofHour,
    active_users: online,
    messages_this_period: ofWeek,
  }
}
