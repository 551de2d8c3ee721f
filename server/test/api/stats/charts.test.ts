import fc from 'fast-check'
import { describe, expect, inject, test } from 'vitest'
import { migrate } from '#db/migrate.ts'
import { openForMigration } from '#db/open.ts'
import { databaseOptionsOf } from '#config/load.ts'
import type { Person } from '#test/person.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const counted = {
  'user-registrations': 'registrations',
  'message-activity': 'messages',
  'channel-creation': 'channels',
} as const
const periods = ['1h', '24h', '7d', '30d', '90d', '1y', 'daily', 'weekly', 'monthly']
const slotsOf: Record<string, number> = {
  '1h': 12,
  '24h': 24,
  '7d': 7,
  '90d': 90,
  '1y': 53,
  weekly: 12,
  monthly: 12,
}
const env = { ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440' }

// oxlint-disable-next-line typescript/no-explicit-any -- charts as they come over the wire
type Wire = any

async function chart(person: Person, name: string, input: object = {}): Promise<Wire> {
  const { status, body } = await person.post(`/api/v1/system/charts/${name}`, input)
  expect(status, JSON.stringify(body)).toBe(200)
  return body
}

/** What really happened, in milliseconds, kept by the test. */
interface Ledger {
  readonly registrations: number[]
  readonly channels: number[]
  readonly messages: number[]
}

/** Counts what lies between the beginnings of slots, one by one. */
function slowCounts(times: readonly number[], points: readonly { timestamp: string }[]): number[] {
  const starts = points.map(({ timestamp }) => Date.parse(timestamp))
  return starts.map((start, index) => {
    const end = starts[index + 1] ?? Infinity
    return times.filter((time) => time >= start && time < end).length
  })
}

function since(times: readonly number[], now: number, span: number): number {
  const from = Math.floor(now / (5 * MINUTE)) * 5 * MINUTE - span
  return times.filter((time) => time >= from).length
}

function grown(times: readonly number[], now: number, span: number): number {
  const [latest, both] = [since(times, now, span), since(times, now, 2 * span)]
  const before = both - latest
  return before === 0 ? (latest === 0 ? 0 : 100) : Math.round(((latest - before) / before) * 1000) / 10
}

/** A community that does things at random over a year, and remembers all of them. */
class Community {
  readonly server: TestServer
  readonly ledger: Ledger = { registrations: [], channels: [], messages: [] }
  owner!: Person
  #living: { channel: string; messages: string[] }[] = []
  #people = 0

  constructor(server: TestServer) {
    this.server = server
  }

  get now(): number {
    return this.server.ctx.clock()
  }

  get livingMessages(): number {
    return this.#living.reduce((sum, { messages }) => sum + messages.length, 0)
  }

  get livingChannels(): number {
    return this.#living.length
  }

  async join(): Promise<void> {
    const person = await this.server.person(`person${this.#people++}`)
    this.ledger.registrations.push(this.now)
    this.owner ??= person
  }

  async createChannel(): Promise<void> {
    const channel = await this.owner.createChannel(`channel ${this.ledger.channels.length}`)
    this.ledger.channels.push(this.now)
    this.#living.push({ channel, messages: [] })
  }

  async talk(which: number, count: number): Promise<void> {
    const place = this.#living[which % Math.max(1, this.#living.length)]
    if (!place) return
    for (let n = 0; n < count; n++) {
      const before = this.now
      place.messages.push(await this.owner.send(place.channel, 'x'))
      // Between these two it was sent; the five minutes are the same but for one in ten thousand runs.
      expect(Math.floor(before / (5 * MINUTE))).toBe(Math.floor(this.now / (5 * MINUTE)))
      this.ledger.messages.push(before)
    }
  }

  async deleteMessage(which: number): Promise<void> {
    const place = this.#living.find(({ messages }) => messages.length > 0)
    if (!place) return
    const [id] = place.messages.splice(which % place.messages.length, 1)
    const path = `/api/v1/channels/${place.channel}/delete_message`
    expect((await this.owner.delete(path, { query: { message_id: id! } })).status).toBe(204)
  }

  async deleteChannel(which: number): Promise<void> {
    const [place] = this.#living.splice(which % Math.max(1, this.#living.length), 1)
    if (!place) return
    expect((await this.owner.delete(`/api/v1/channels/${place.channel}/delete`)).status).toBe(200)
  }

  async wait(ms: number): Promise<void> {
    this.server.passTime(ms)
    Object.assign(this.owner, { token: (await this.owner.signIn()).token })
  }
}

const step = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ do: 'join' as const }) },
  { weight: 2, arbitrary: fc.constant({ do: 'create' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('talk' as const),
      which: fc.nat(9),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete message' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete channel' as const), which: fc.nat(9) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      ms: fc.oneof(fc.integer({ min: MINUTE, max: 2 * HOUR }), fc.integer({ min: HOUR, max: 40 * DAY })),
    }),
  },
)

async function take(
  community: Community,
  one: typeof step extends fc.Arbitrary<infer S> ? S : never,
): Promise<void> {
  switch (one.do) {
    case 'join':
      return community.join()
    case 'create':
      return community.createChannel()
    case 'talk':
      return community.talk(one.which, one.count)
    case 'delete message':
      return community.deleteMessage(one.which)
    case 'delete channel':
      return community.deleteChannel(one.which)
    case 'wait':
      return community.wait(one.ms)
  }
}

test('charts and figures are those of a slow count, whatever happened and was deleted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 15, maxLength: 25 }),
      fc.constantFrom('UTC', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe'),
      async (steps, tz) => {
        await using server = await startServer({ env, clock: { offset: -400 * DAY } })
        const community = new Community(server)
        await community.join()
        for (const one of steps) await take(community, one)
        const { ledger, owner, now } = community
        for (const [name, metric] of Object.entries(counted)) {
          for (const period of periods) {
            const { chart_data } = await chart(owner, name, { period, tz })
            expect(chart_data.datasets[0].data, `${name} ${period}`).toEqual(
              slowCounts(ledger[metric], chart_data.chart_data),
            )
          }
        }
        const { raw_stats: messages } = await chart(owner, 'message-activity', { tz })
        expect(messages).toMatchObject({
          total_messages: community.livingMessages,
          messages_this_week: since(ledger.messages, now, 7 * DAY),
          messages_this_month: since(ledger.messages, now, 30 * DAY),
          messages_this_quarter: since(ledger.messages, now, 90 * DAY),
          messages_this_year: since(ledger.messages, now, 365 * DAY),
          growth_rate_week: grown(ledger.messages, now, 7 * DAY),
          growth_rate_month: grown(ledger.messages, now, 30 * DAY),
          messages_per_user: Math.round((community.livingMessages / ledger.registrations.length) * 100) / 100,
        })
        const { chart_data: days } = await chart(owner, 'message-activity', { period: '30d', tz })
        const ofDays: number[] = days.datasets[0].data
        expect(messages).toMatchObject({
          messages_today: ofDays.at(-1),
          peak_activity: Math.max(...ofDays),
          avg_daily_messages: Math.round((ofDays.reduce((a, b) => a + b) / 30) * 100) / 100,
        })
        const { raw_stats: users } = await chart(owner, 'user-registrations', { tz })
        expect(users).toMatchObject({
          total_users: ledger.registrations.length,
          new_this_week: since(ledger.registrations, now, 7 * DAY),
          new_this_month: since(ledger.registrations, now, 30 * DAY),
          growth_rate_month: grown(ledger.registrations, now, 30 * DAY),
        })
        const { raw_stats: channels } = await chart(owner, 'channel-creation', { tz })
        expect(channels).toMatchObject({
          total_channels: community.livingChannels,
          new_this_month: since(ledger.channels, now, 30 * DAY),
        })
        const { body } = await owner.get('/api/v1/system/server-stats')
        expect(body.statistics).toMatchObject({
          users: { total: ledger.registrations.length, new_this_week: users.new_this_week },
          channels: { total: community.livingChannels, new_this_month: channels.new_this_month },
          messages: {
            total: community.livingMessages,
            past_24h: since(ledger.messages, now, DAY),
            past_week: messages.messages_this_week,
            past_month: messages.messages_this_month,
            past_quarter: messages.messages_this_quarter,
            past_year: messages.messages_this_year,
          },
        })
      },
    ),
    { numRuns: 2 },
  )
})

describe('a chart', () => {
  test('of an empty server has all its slots, with nothing in them', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const period of periods) {
      const { chart_data } = await chart(owner, 'message-activity', { period })
      const count = slotsOf[period] ?? 30
      expect(chart_data, period).toMatchObject({ chart_type: 'message_activity', period, tz: 'UTC' })
      expect(chart_data.labels).toHaveLength(count)
      expect(chart_data.datasets).toEqual([
        { label: 'Messages', data: Array.from({ length: count }, () => 0) },
      ])
      expect(new Set(chart_data.labels).size).toBe(count)
      expect(chart_data.labels).toEqual(chart_data.labels.toSorted())
    }
    const { raw_stats } = await chart(owner, 'message-activity')
    expect(Object.values(raw_stats)).toEqual(Object.values(raw_stats).map(() => 0))
  })

  test('comes in every form that clients understand', async () => {
    const clock = { offset: Date.parse('2026-03-11T10:20:30Z') - Date.now() }
    await using server = await startServer({ clock })
    const owner = await server.person('owner')
    const daily = await chart(owner, 'user-registrations', { period: 'daily' })
    expect(daily.chart_data.labels.slice(-2)).toEqual(['2026-03-10', '2026-03-11'])
    expect(daily.chart_data.chart_data.at(-1)).toEqual({
      time_key: '2026-03-11',
      primary_value: 1,
      metrics: { count: 1 },
      period: 'daily',
      timestamp: '2026-03-11T00:00:00.000+00:00',
      date: '2026-03-11',
    })
    const last = async (period: string) =>
      (await chart(owner, 'user-registrations', { period })).chart_data.chart_data.at(-1)
    expect(await last('weekly')).toMatchObject({ time_key: '2026-W11', weekly: '2026-W11', period: 'weekly' })
    expect(await last('monthly')).toMatchObject({
      time_key: '2026-03',
      monthly: '2026-03',
      period: 'monthly',
    })
    expect(await last('24h')).toMatchObject({ time_key: '2026-03-11 10:00', period: 'hourly' })
    expect(await last('1h')).toMatchObject({ time_key: '2026-03-11 10:20', period: 'minutes' })
    expect(daily.chart_data.last_updated).toMatch(/^2026-03-11T10:20:3/)
    expect(Object.keys(daily.raw_stats)).toEqual([
      'total_users',
      'new_this_week',
      'new_this_month',
      'online_now',
      'recently_active',
      'growth_rate_week',
      'growth_rate_month',
      'peak_registrations',
      'avg_daily_registrations',
    ])
  })

  test('has the days of the time zone that was asked for', async () => {
    // 23:30 in Berlin, on the day before in New York, and on the day after in Kolkata.
    const clock = { offset: Date.parse('2026-07-01T21:30:00Z') - Date.now() }
    await using server = await startServer({ clock, env })
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    await owner.send(channel, 'late')
    server.passTime(3 * DAY)
    Object.assign(owner, { token: (await owner.signIn()).token })
    const dayOf = async (tz: string) => {
      const { chart_data } = await chart(owner, 'message-activity', { period: '7d', tz })
      return chart_data.labels[chart_data.datasets[0].data.indexOf(1)] as string
    }
    expect(await dayOf('Europe/Berlin')).toBe('2026-07-01')
    expect(await dayOf('America/New_York')).toBe('2026-07-01')
    expect(await dayOf('Asia/Kolkata')).toBe('2026-07-02')
    expect(await dayOf('Asia/Kathmandu')).toBe('2026-07-02')
    expect(await dayOf('UTC')).toBe('2026-07-01')
  })

  test('is refused with 400 for a period or time zone that is none', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    for (const input of [
      { period: 'hourly' },
      { period: '2d' },
      { period: 'constructor' },
      { tz: 'Mars/Olympus' },
      { tz: '+02:00' },
    ]) {
      for (const name of [...Object.keys(counted), 'online-users']) {
        const { status, body } = await owner.post(`/api/v1/system/charts/${name}`, input)
        expect(status, `${name} ${JSON.stringify(input)}`).toBe(400)
        expect(body.detail).toMatch(/period|time zone/)
      }
    }
    expect((await owner.post('/api/v1/system/charts/online-users', { period: 7 })).status).toBe(422)
    expect((await chart(owner, 'message-activity', { period: '', tz: null })).chart_data.period).toBe('daily')
  })
})

test('the online chart shows the most that were there at once, and the average', async () => {
  const clock = { offset: Date.parse('2026-05-05T08:00:30Z') - Date.now() }
  await using server = await startServer({ clock, env: { ...env, GATEWAY_PRESENCE_GRACE_SECONDS: '0' } })
  const [owner, ann, bob] = (await server.people('owner', 'ann', 'bob')) as [Person, Person, Person]
  const setStatus = async (person: Person, status: string) =>
    expect((await person.put('/api/v1/users/profile', { json: { status } })).status).toBe(200)
  await owner.runTask('server_stats_update')
  await setStatus(ann, 'offline')
  await setStatus(bob, 'idle')
  server.passTime(10 * MINUTE)
  await owner.runTask('server_stats_update')
  const { chart_data, raw_stats } = await chart(owner, 'online-users', { period: '24h' })
  expect(chart_data.datasets).toEqual([
    { label: 'Online users', data: [...Array.from({ length: 23 }, () => 0), 3] },
  ])
  const now = chart_data.chart_data.at(-1)
  expect(now.metrics.peak).toBe(3)
  expect(now.metrics.average).toBeGreaterThan(2)
  expect(now.metrics.average).toBeLessThan(3)
  expect(raw_stats).toMatchObject({
    currently_online: 2,
    recently_active: 3,
    peak_online_today: 3,
    peak_online_week: 3,
    total_users: 3,
    online_percentage: 66.7,
  })
  expect(raw_stats.avg_online_today).toBe(raw_stats.avg_online_week)
  const status = await chart(owner, 'user-status')
  expect(status).toEqual({
    status_code: 200,
    chart_data: {
      chart_type: 'user_status',
      labels: ['Online', 'Offline', 'Away'],
      datasets: [{ label: 'Users', data: [1, 1, 1] }],
      chart_data: [
        { label: 'Online', value: 1 },
        { label: 'Offline', value: 1 },
        { label: 'Away', value: 1 },
      ],
      last_updated: expect.any(String),
    },
    raw_stats: { online_users: 1, offline_users: 1, away_users: 1, total_users: 3 },
  })
  // Nobody looked in between: what was is not carried on.
  server.passTime(2 * DAY)
  Object.assign(owner, { token: (await owner.signIn()).token })
  const later = await chart(owner, 'online-users', { period: '7d' })
  expect(later.chart_data.datasets[0].data.slice(-3)).toEqual([3, 0, expect.any(Number)])
})

test('what was there before there were charts is counted', async () => {
  await using place = await newPlace()
  const clock = { offset: -3 * DAY }
  const before = await startServer({ place, clock })
  const [owner] = (await before.people('owner', 'ann')) as [Person]
  const channel = await owner.createChannel('general')
  for (let n = 0; n < 5; n++) await owner.send(channel, 'x')
  const options = { ...databaseOptionsOf(before.ctx.config), onError: () => {} }
  await before.stop()
  {
    await using opened = await openForMigration(options)
    await migrate(opened.engine.schema, '0002-jobs')
  }
  await using server = await startServer({ place, env })
  const again = await Object.assign(owner, { server }).signIn()
  for (const [name, count] of [
    ['user-registrations', 2],
    ['channel-creation', 1],
    ['message-activity', 5],
  ] as const) {
    const { chart_data } = await chart(again, name, { period: '7d' })
    expect(chart_data.datasets[0].data, name).toEqual([0, 0, 0, count, 0, 0, 0])
  }
})

test('messages are counted once, however many count at the same time', async () => {
  await using place = await newPlace()
  await using one = await startServer({ place, env })
  const second = inject('database') === 'postgres' ? await startServer({ place, env }) : undefined
  await using _second = { [Symbol.asyncDispose]: async () => second?.stop() }
  const owner = await one.person('owner')
  const channels = [await owner.createChannel('a'), await owner.createChannel('b')]
  let sent = 0
  for (let round = 0; round < 4; round++) {
    await Promise.all([
      ...Array.from({ length: 12 }, async (_, n) => {
        await owner.send(channels[n % 2]!, 'x')
        sent++
      }),
      owner.runTask('chart_data_update'),
      owner.runTask('server_stats_update'),
      chart(owner, 'message-activity'),
    ])
    const { chart_data } = await chart(owner, 'message-activity', { period: '1h' })
    expect(chart_data.datasets[0].data.reduce((a: number, b: number) => a + b)).toBe(sent)
  }
})

test('messages that were removed because of their age, or with their channel, stay in the charts', async () => {
  await using server = await startServer({ env, clock: { offset: -10 * DAY } })
  const owner = await server.person('owner')
  const [kept, gone] = [await owner.createChannel('kept'), await owner.createChannel('gone')]
  for (const channel of [kept, gone, gone]) await owner.send(channel, 'old')
  // No task has counted them when they go.
  expect((await owner.delete(`/api/v1/channels/${gone}/delete`)).status).toBe(200)
  await owner.put('/api/v1/system/message-retention', { json: { days: 2 } })
  server.passTime(10 * DAY)
  Object.assign(owner, { token: (await owner.signIn()).token })
  await owner.send(kept, 'new')
  await owner.runTask('message_retention')
  const { chart_data, raw_stats } = await chart(owner, 'message-activity', { period: '30d' })
  expect(chart_data.datasets[0].data.reduce((a: number, b: number) => a + b)).toBe(4)
  expect(raw_stats).toMatchObject({ total_messages: 1, messages_this_month: 4 })
})

test('a long history is counted, message by message', async () => {
  await using server = await startServer()
  const owner = await server.person('owner')
  const channel = await owner.createChannel('general')
  const now = server.ctx.clock()
  const days = 31
  const count = 9000
  await server.ctx.db.transact(async (tx) => {
    const rows = Array.from({ length: count }, (_, index) => ({
      id: crypto.randomUUID(),
      channel_id: channel,
      seq: index + 1,
      sender_id: owner.id,
      kid: null,
      sealed: null,
      revision: 1,
      has_files: 0 as const,
      changes: 0,
      thread_replies: 0,
      reaction_count: 0,
      sent_at: now - days * DAY + Math.floor((index * days * DAY) / count),
      deleted_at: now,
      deleted_by: owner.id,
    }))
    for (let from = 0; from < count; from += 1000) {
      await tx
        .insertInto('message')
        .values(rows.slice(from, from + 1000))
        .execute()
    }
    await tx.updateTable('channel').set({ last_seq: count }).where('id', '=', channel).execute()
  })
  const { raw_stats, chart_data } = await chart(owner, 'message-activity', {
    period: '90d',
    tz: 'Asia/Kolkata',
  })
  expect(chart_data.datasets[0].data.reduce((a: number, b: number) => a + b)).toBe(count)
  // 290.3 a day.
  expect(raw_stats.messages_this_week).toBeGreaterThanOrEqual(Math.floor((7 * count) / days))
  expect(raw_stats.messages_this_week).toBeLessThanOrEqual(Math.ceil((7 * count) / days) + 2)
  expect(raw_stats.total_messages).toBe(0)
})
