import { badRequest } from '#http/errors.ts'
import { parseIsoTime } from '#lib/iso-time.ts'

/** A condition on the text. */
export interface Term {
  readonly text: string
  /** In quotation marks: these words, in this form and order. */
  readonly exact: boolean
}

/** A condition, and whether it must not hold. */
export type Signed<T> = T & { readonly negated: boolean }

type Name = Signed<{ readonly name: string }>

/** What somebody is looking for. */
export interface Query {
  readonly terms: readonly Signed<Term>[]
  /** Names or ids of authors and channels, and kinds of content. */
  readonly from: readonly Name[]
  readonly in: readonly Name[]
  readonly has: readonly Name[]
  /** Sent at this time or later, in milliseconds; may be infinite. */
  readonly since: number
  /** Sent before this time; may be infinite. */
  readonly until: number
}

const QUOTES = '"“”„«»'
/** `-` or not, a filter or none, then something in quotation marks or up to the next space. */
const ITEM = new RegExp(
  String.raw`(?<minus>-?)(?:(?<filter>from|in|has|before|after|on):)?(?:[${QUOTES}](?<quoted>[^${QUOTES}]*)[${QUOTES}]?|(?<plain>\S+))`,
  'giu',
)

/**
 * Reads what people type into a search box: words, `"phrases"`, `from:`, `in:`, `has:`, `before:`, `after:`, `on:`, and
 * `-` before what must not be. Anything else is taken for words.
 *
 * @throws HttpError 400
 */
export function parseQuery(text: string): Query {
  const terms: Signed<Term>[] = []
  const names = { from: [] as Name[], in: [] as Name[], has: [] as Name[] }
  let [since, until] = [-Infinity, Infinity]
  for (const { groups } of text.matchAll(ITEM)) {
    const { minus, quoted, plain } = groups!
    const filter = groups!['filter']?.toLowerCase() as keyof typeof names | keyof typeof limits | undefined
    const negated = minus !== ''
    const value = (quoted ?? plain!).trim()
    if (filter === undefined) terms.push({ text: value, exact: quoted !== undefined, negated })
    else if (filter in names) {
      names[filter as keyof typeof names].push({ name: nameOf(filter, value), negated })
    } else {
      if (negated) throw badRequest(`-${filter}: is not possible`)
      const limit = limits[filter as keyof typeof limits](spanOf(filter, value))
      since = Math.max(since, limit.since)
      until = Math.min(until, limit.until)
    }
  }
  return { terms, ...names, since, until }
}

/** What a date says about when messages were sent. */
const limits = {
  before: ({ start }: Span) => ({ since: -Infinity, until: start }),
  after: ({ end }: Span) => ({ since: end, until: Infinity }),
  on: ({ start, end }: Span) => ({ since: start, until: end }),
}

function nameOf(filter: string, value: string): string {
  const name = value.replace(/^[@#]/, '')
  if (name === '') throw badRequest(`${filter}: needs something after it`)
  return name
}

/** A year, a month, a day, or a moment. */
const DATE = /^(?<year>\d{4})(?:-(?<month>\d\d)(?:-(?<day>\d\d))?)?$/

interface Span {
  readonly start: number
  readonly end: number
}

/** From when to when a date lasts, in UTC; a moment lasts a millisecond. @throws HttpError 400 */
function spanOf(filter: string, value: string): Span {
  const { year, month, day } = DATE.exec(value)?.groups ?? {}
  const start = parseIsoTime(year === undefined ? value : `${year}-${month ?? '01'}-${day ?? '01'}`)
  if (start === undefined) throw badRequest(`${filter}: takes a date such as 2026-03-31, or an ISO 8601 time`)
  if (year === undefined) return { start, end: start + 1 }
  const end = new Date(start)
  if (day !== undefined) end.setUTCDate(end.getUTCDate() + 1)
  else if (month === undefined) end.setUTCFullYear(end.getUTCFullYear() + 1)
  else end.setUTCMonth(end.getUTCMonth() + 1)
  return { start, end: end.getTime() }
}
