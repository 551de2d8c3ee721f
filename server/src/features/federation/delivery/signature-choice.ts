import { isInnerList, parseDictionary } from 'structured-headers'
import type { PeerSignature, PeerTable } from '#db/tables.ts'
import type { OutgoingAnswer } from '#egress/egress.ts'

/*
 * Everybody can check signatures of draft-cavage with RSA, so that is how the first ones are made. Who can do better
 * says so by `Accept-Signature` (RFC 9421, section 5), or shows it by signing so.
 */

/** What our own inboxes accept besides. */
export const ACCEPT_SIGNATURE = (['ed25519', 'rsa-v1_5-sha256'] as const)
  .map(
    (alg, index) => `sig${index + 1}=("@method" "@target-uri" "content-digest");created;keyid;alg="${alg}"`,
  )
  .join(', ')

const COVERED: ReadonlySet<unknown> = new Set(['@method', '@target-uri', 'content-digest'])
const REFUSED_FOR_MS = 7 * 24 * 3600_000

/** What changes in how a peer's deliveries are signed, after its answer to one. */
export function betterSignature(
  peer: PeerTable | undefined,
  answer: Pick<OutgoingAnswer, 'status' | 'headers'>,
  now: number,
): Partial<PeerTable> | undefined {
  const current = peer?.signature ?? 'draft-cavage'
  if (answer.status === 401 && current !== 'draft-cavage') {
    return { signature: 'draft-cavage', signature_refused_at: now }
  }
  const offered = signatureOffered(answer.headers['accept-signature'])
  return offered && answer.status !== 401 ? preferred(peer, offered, now) : undefined
}

/** What a peer that was seen to sign in a way can be sent. */
export function preferred(
  peer: PeerTable | undefined,
  signature: PeerSignature,
  now: number,
): Partial<PeerTable> | undefined {
  const refusedAt = peer?.signature_refused_at ?? -Infinity
  if (now - refusedAt < REFUSED_FOR_MS) return undefined
  return RANK[signature] > RANK[peer?.signature ?? 'draft-cavage'] ? { signature } : undefined
}

const RANK: Readonly<Record<PeerSignature, number>> = {
  'draft-cavage': 0,
  'rfc9421-rsa': 1,
  'rfc9421-ed25519': 2,
}

/** The best of what a field offers that we can make. */
function signatureOffered(field: string | undefined): PeerSignature | undefined {
  if (field === undefined || field.length > 4096) return undefined
  try {
    const offers = [...parseDictionary(field).values()].flatMap((member): PeerSignature[] => {
      if (!isInnerList(member) || !member[0].every(([name]) => COVERED.has(name))) return []
      const algorithm = member[1].get('alg')
      if (algorithm === 'ed25519') return ['rfc9421-ed25519']
      return algorithm === undefined || algorithm === 'rsa-v1_5-sha256' ? ['rfc9421-rsa'] : []
    })
    return offers.toSorted((a, b) => RANK[b] - RANK[a])[0]
  } catch {
    return undefined
  }
}
