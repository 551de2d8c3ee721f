import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import { encrypt } from '#keys/aead.ts'
import { newId } from '#lib/id.ts'
import { hostsWithQueue, insertDelivery, type DeliveryRow } from '../store/deliveries.ts'

/** An activity, and where it goes. */
export interface NewDelivery {
  /** For who wants to wait for the outcome. Default: a new one. */
  readonly id?: string
  readonly senderId: string
  readonly inbox: string
  /** What must stay in order goes in one lane: a conversation, or what two people have with each other. */
  readonly lane: string
  readonly activity: { readonly id: string; readonly type: string } & Readonly<Record<string, unknown>>
}

/** Puts an activity on its way. It leaves once the transaction has committed. */
export function enqueueDelivery(
  ctx: Pick<Context, 'clock' | 'keyring'>,
  tx: Tx,
  { id = newId(ctx.clock()), senderId, inbox, lane, activity }: NewDelivery,
): void {
  const now = ctx.clock()
  const { host } = new URL(inbox)
  const { kid, key } = ctx.keyring.current('federation')
  insertDelivery(tx, {
    id,
    host,
    lane,
    sender_id: senderId,
    inbox,
    activity_id: activity.id,
    activity_type: activity.type,
    kid,
    sealed: encrypt(key, JSON.stringify(activity), associatedData({ id, host })),
    state: 'queued',
    attempts: 0,
    next_at: now,
    reason: null,
    is_revivable: 0,
    created_at: now,
    died_at: null,
  })
  wakeDelivery(tx, host, now)
}

/** Sees to it that what waits for a peer is looked at no later than `at`. One process does so at a time. */
export function wakeDelivery(tx: Tx, host: string, at: number): void {
  const name = `federation:${host}`
  tx.enqueue({ type: 'federation.deliver', payload: { host }, runAt: at, key: name, queue: name })
}

/** Looks at everything that waits, as the clock may have been set right since it was put off. */
export async function wakeDeliveries({ db, clock }: Pick<Context, 'db' | 'clock'>): Promise<void> {
  const hosts = await hostsWithQueue(db.read)
  if (hosts.length === 0) return
  await db.transact(async (tx) => {
    for (const host of hosts) wakeDelivery(tx, host, clock())
  })
}

/** Ties a sealed activity to its row. */
export function associatedData({ id, host }: Pick<DeliveryRow, 'id' | 'host'>): string {
  return `federation-delivery/v1/${id}/${host}`
}
