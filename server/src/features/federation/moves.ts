import type { Context } from '#context'
import { GiveUp } from '#jobs/errors.ts'
import { PeerError } from './errors.ts'
import { requestFollow, withdrawFollow } from './follows.ts'
import { ensureRemoteActor } from './store/actors.ts'
import { findFollow, followersHere } from './store/follows.ts'

type Deps = Pick<Context, 'db' | 'clock' | 'keyring' | 'instance' | 'federation' | 'jobs'>

/** Lets those who follow an account that has moved follow the new one, if that says it is the same person. */
export function moveJobs(ctx: Deps): void {
  ctx.jobs.handle('federation.move', ({ from, to }) => moveFollowers(ctx, from, to))
}

async function moveFollowers(ctx: Deps, from: string, to: string): Promise<void> {
  const { actors } = ctx.federation
  const [old, target] = [await actors.recall(from), await currentActor(ctx, to)]
  if (!old || !target.alsoKnownAs.includes(from))
    throw new GiveUp('the new account does not name the old one')
  for (const userId of await followersHere(ctx.db.read, from)) {
    await ctx.db.transact(async (tx) => {
      await ensureRemoteActor(tx, actors.rowOf(target, ctx.clock()))
      await withdrawFollow(ctx, tx, userId, old.actor)
      const key = { user_id: userId, actor_id: target.id, direction: 'out' } as const
      if (!(await findFollow(tx, key))) await requestFollow(ctx, tx, { userId, target })
    })
  }
}

/** What was remembered of the new account may be from before it named the old one. */
async function currentActor({ federation }: Deps, id: string) {
  try {
    return (await federation.actors.refetch(id)).actor
  } catch (error) {
    if (error instanceof PeerError && error.kind !== 'unreachable') throw new GiveUp(error.message)
    throw error
  }
}
