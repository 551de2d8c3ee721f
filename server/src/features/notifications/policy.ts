import type { NotificationPreferenceTable } from '#db/tables.ts'

/** What somebody is told of: everything, what concerns them, nothing. */
export const levels = ['all', 'mentions', 'nothing'] as const
export type Level = (typeof levels)[number]

/** What a person has said about one channel and about all; undefined or null where they said nothing. */
export interface Wishes {
  readonly level: 'all' | 'mentions' | null
  readonly mutedAt: number | null
  readonly mutedUntil: number | null
  readonly everywhere: Level | null
}

export type Mute = Pick<NotificationPreferenceTable, 'muted_at' | 'muted_until'>

export function isMuted({ muted_at: from, muted_until: until }: Mute, now: number): boolean {
  return from !== null && from <= now && (until === null || until > now)
}

/**
 * What somebody is told of in a channel at this moment: silence first, then what they said about the channel, then what they
 * said about all. In direct conversations everything concerns them, unless they said otherwise.
 */
export function levelOf(wishes: Wishes, { isDirect, now }: { isDirect: boolean; now: number }): Level {
  if (isMuted({ muted_at: wishes.mutedAt, muted_until: wishes.mutedUntil }, now)) return 'nothing'
  if (wishes.level !== null) return wishes.level
  const everywhere = wishes.everywhere ?? 'mentions'
  return everywhere === 'mentions' && isDirect ? 'all' : everywhere
}
