/** From whom a person takes new direct messages. */
export const acceptFrom = ['everybody', 'contacts', 'nobody'] as const
export type AcceptFrom = (typeof acceptFrom)[number]

/** What is known of two people when one wants to begin a conversation with the other. */
export interface Approach {
  /** One of them has blocked the other. */
  readonly isBlocked: boolean
  readonly acceptFrom: AcceptFrom
  /** They share a private channel or a conversation. */
  readonly areAcquainted: boolean
}

/**
 * Whether a new conversation begins at once, must be asked for, or is refused. People who write to themselves always
 * may.
 */
export function judgeApproach(approach: Approach): 'open' | 'ask' | 'refuse' {
  if (approach.isBlocked) return 'refuse'
  switch (approach.acceptFrom) {
    case 'everybody':
      return 'open'
    case 'contacts':
      return approach.areAcquainted ? 'open' : 'ask'
    case 'nobody':
      return 'refuse'
  }
}

/** Two people in the order that does not depend on who of them comes first. */
export function pairKeyOf(a: string, b: string): string {
  return [a, b].toSorted().join(' ')
}

/** The other one of a pair; the person themselves when they write to themselves. */
export function otherOf(pairKey: string, userId: string): string {
  const [a, b] = pairKey.split(' ') as [string, string]
  return a === userId ? b : a
}
