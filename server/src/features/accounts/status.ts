import type { UserStatus } from '#events/events.ts'

export const statuses = ['online', 'idle', 'afk', 'dnd', 'offline'] as const satisfies readonly UserStatus[]

const aliases: Readonly<Record<string, UserStatus>> = {
  away: 'afk',
  inactive: 'offline',
  invisible: 'offline',
}

/** The status that a client's word means. @returns undefined for words that mean none */
export function parseStatus(word: string): UserStatus | undefined {
  const normal = word.trim().toLowerCase()
  if ((statuses as readonly string[]).includes(normal)) return normal as UserStatus
  return Object.hasOwn(aliases, normal) ? aliases[normal] : undefined
}

/** The status of somebody whose first socket opens: `dnd` and `afk` survive a reconnect. */
export function statusOnConnect(chosen: string): UserStatus {
  return chosen === 'dnd' || chosen === 'afk' ? chosen : 'online'
}
