// A space may stand for the plus of an offset: that is what becomes of one in a query that was not encoded.
const ISO_TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+ -]\d\d:?\d\d)?)?$/i

/** Milliseconds of an ISO 8601 time as clients write it; UTC without an offset. @returns undefined for other text */
export function parseIsoTime(text: string): number | undefined {
  const [, date, time = '00:00', offset = 'Z'] = ISO_TIME.exec(text) ?? []
  if (date === undefined) return undefined
  const zone = offset.replace(' ', '+').replace(/(\d\d)(\d\d)$/, '$1:$2')
  const ms = Date.parse(`${date}T${time}${zone.toUpperCase()}`)
  return Number.isNaN(ms) ? undefined : ms
}
