/**
 * For how many days messages of a channel are kept; undefined for ever.
 *
 * @param ofServer 0: for ever
 * @param ofChannel null: as the server says; 0: for ever
 */
export function daysKept(ofServer: number, ofChannel: number | null): number | undefined {
  const days = ofChannel ?? ofServer
  return days === 0 ? undefined : days
}
