import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { floorToFiveMinutes, slotsUntil, startOfDay, type Unit } from './calendar.ts'
import { isTimeZone } from './time-zone.ts'

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Pacific/Apia',
  'America/St_Johns',
]
const units: Unit[] = ['five_minutes', 'hour', 'day', 'week', 'month']
const times = fc.integer({ min: Date.UTC(1990, 0, 1), max: Date.UTC(2060, 0, 1) })

/** The date on a wall calendar, by the other implementation that the machine has. */
function wallDate(time: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(time)
}

test('slots follow each other without a gap, and the last one is the one of now', () => {
  fc.assert(
    fc.property(
      times,
      fc.constantFrom(...units),
      fc.integer({ min: 1, max: 60 }),
      fc.constantFrom(...zones),
      (now, unit, count, zone) => {
        const slots = slotsUntil(now, unit, count, zone)
        expect(slots).toHaveLength(count)
        for (const [index, { start, end }] of slots.entries()) {
          expect(end).toBeGreaterThanOrEqual(start)
          if (index > 0) expect(start).toBe(slots[index - 1]!.end)
          expect(floorToFiveMinutes(start)).toBe(start)
        }
        expect(now).toBeGreaterThanOrEqual(slots.at(-1)!.start)
        expect(now).toBeLessThan(slots.at(-1)!.end)
      },
    ),
  )
})

test('each moment is in the day, week and month that a wall calendar says', () => {
  fc.assert(
    fc.property(times, fc.constantFrom(...zones), fc.nat(40), (now, zone, index) => {
      const days = slotsUntil(now, 'day', 41, zone)
      const { key, start, end } = days[index]!
      // Where a zone moved over the date line, a day had no moments at all.
      if (start === end) return
      for (const time of [start, end - 1]) expect(wallDate(time, zone)).toBe(key)
      expect(startOfDay(start, zone)).toBe(start)
      expect(startOfDay(end - 1, zone)).toBe(start)
      const month = slotsUntil(end - 1, 'month', 1, zone)[0]!
      expect(key.startsWith(month.key)).toBe(true)
      const week = slotsUntil(end - 1, 'week', 1, zone)[0]!
      expect(start).toBeGreaterThanOrEqual(week.start)
      expect(new Date(`${wallDate(week.start, zone)}T00:00Z`).getUTCDay()).toBe(1)
    }),
  )
})

describe('where clocks change', () => {
  test('a day has 23 or 25 hours', () => {
    const march = slotsUntil(Date.parse('2026-03-29T12:00Z'), 'day', 1, 'Europe/Berlin')[0]!
    expect((march.end - march.start) / 3_600_000).toBe(23)
    const october = slotsUntil(Date.parse('2026-10-25T12:00Z'), 'day', 1, 'Europe/Berlin')[0]!
    expect((october.end - october.start) / 3_600_000).toBe(25)
  })

  test('an hour that comes twice is two slots', () => {
    const slots = slotsUntil(Date.parse('2026-10-25T03:30Z'), 'hour', 6, 'Europe/Berlin')
    expect(slots.map(({ key }) => key.slice(11))).toEqual([
      '00:00',
      '01:00',
      '02:00',
      '02:00',
      '03:00',
      '04:00',
    ])
  })

  test('a day that never was has no length', () => {
    const slots = slotsUntil(Date.parse('2011-12-31T12:00Z'), 'day', 3, 'Pacific/Apia')
    expect(slots.map(({ key, start, end }) => [key, (end - start) / 3_600_000])).toEqual([
      ['2011-12-30', 0],
      ['2011-12-31', 24],
      ['2012-01-01', 24],
    ])
  })
})

test('weeks are those of ISO 8601', () => {
  const keys = (day: string): string => slotsUntil(Date.parse(`${day}T12:00Z`), 'week', 1, 'UTC')[0]!.key
  expect([keys('2026-01-01'), keys('2024-12-30'), keys('2027-01-03'), keys('2026-11-24')]).toEqual([
    '2026-W01',
    '2025-W01',
    '2026-W53',
    '2026-W48',
  ])
})

test('a time zone is one by its name', () => {
  for (const name of zones) expect(isTimeZone(name), name).toBe(true)
  for (const name of ['', 'Mars/Olympus', '+02:00', 'Europe', "UTC'--", 'x'.repeat(1000)]) {
    expect(isTimeZone(name), name).toBe(false)
  }
})
