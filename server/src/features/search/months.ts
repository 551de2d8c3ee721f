/** A longer time is not narrowed down to its months. */
const MAX_MONTHS = 240

/** The month of a time, in UTC, as a token that no digest can be: it is no secret when a message was sent. */
export function monthToken(time: number): string {
  return `m${new Date(time).toISOString().slice(0, 7).replace('-', '')}`
}

/** The months from one time to another, both included. @returns undefined when they are too many to be of use */
export function monthsBetween(from: number, to: number): string[] | undefined {
  const months: string[] = []
  const month = new Date(from)
  month.setUTCDate(1)
  month.setUTCHours(0, 0, 0, 0)
  for (; month.getTime() <= to; month.setUTCMonth(month.getUTCMonth() + 1)) {
    if (months.push(monthToken(month.getTime())) > MAX_MONTHS) return undefined
  }
  return months
}
