import type { Context } from '#context'
import { actorDocument } from './actor-document.ts'
import { updateActorActivity } from './activities.ts'
import { enqueueDelivery } from './delivery/enqueue.ts'
import type { RemoteActor } from './remote-actor.ts'
import { acquaintedActors } from './store/audience.ts'
import { isEnabled } from './store/people.ts'

type Deps = Pick<Context, 'db' | 'bus' | 'clock' | 'keyring' | 'instance' | 'federation' | 'jobs' | 'log'>

/** Somebody who changes their name and then their picture is told of once. */
const WAIT_MS = 5_000

/**
 * Tells servers that have to do with a person here what the person is called now. What gets lost is made good when they
 * ask for the actor again, so it hangs on an event.
 */
export function announceChanges(ctx: Deps): void {
  ctx.jobs.handle('federation.announce', ({ userId }) => announce(ctx, userId))
  ctx.bus.subscribe(({ event, remote }) => {
    // With roles it is about what somebody may do here, which is nobody else's business.
    if (event.type !== 'user.changed' || event.roles || remote || ctx.federation.isOff) return
    const { userId } = event
    ctx.db
      .transact(async (tx) => {
        if ((await acquaintedActors(tx, userId)).length === 0) return
        const runAt = ctx.clock() + WAIT_MS
        tx.enqueue({
          type: 'federation.announce',
          payload: { userId },
          key: `federation.announce ${userId}`,
          runAt,
        })
      })
      .catch((error: unknown) => ctx.log.warn({ err: error }, 'a change of a person could not be announced'))
  })
}

async function announce(ctx: Deps, userId: string): Promise<void> {
  const { db, federation, instance, clock } = ctx
  const actor = await federation.local.byId(userId)
  if (actor?.kind !== 'person' || !(await isEnabled(db.read, userId))) return
  const document = actorDocument(instance.origin, actor, await federation.keys.of(userId))
  const actors = (await acquaintedActors(db.read, userId)).map((text) => JSON.parse(text) as RemoteActor)
  // Everybody may know it, so once for each server is enough.
  const inboxes = new Set(actors.map(({ sharedInbox, inbox }) => sharedInbox ?? inbox))
  await db.transact(async (tx) => {
    const activity = updateActorActivity(instance.origin, userId, document, clock())
    for (const inbox of inboxes) {
      if (!federation.policy.verdict(new URL(inbox).host).allowed) continue
      enqueueDelivery(ctx, tx, { senderId: userId, inbox, lane: `actor ${userId}`, activity })
    }
  })
}
