import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'
import type { StatusSource, UserStatus } from '#events/events.ts'
import { statusOnConnect } from './status.ts'
import {
  deletePresence,
  deletePresenceAt,
  insertPresence,
  isPresent,
  lockUser,
  markAbsent,
  presenceStreams,
  presentAt,
  updateUser,
} from './store.ts'

/*
 * Who is here. Somebody is present while one of their sockets is open at any process of the server; each process says
 * so with a row of its own.
 */

type Deps = Pick<Context, 'db' | 'clock' | 'eventLog'>

/** Takes the status that somebody chose; it is remembered beyond the next reconnect. Announced if it is another. */
export async function chooseStatus(
  ctx: Pick<Context, 'db' | 'clock'>,
  userId: string,
  status: UserStatus,
  source: StatusSource,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const user = await lockUser(tx, userId)
    if (!user || (user.status === status && user.chosen_status === status)) return
    await updateUser(tx, userId, { status, chosen_status: status })
    announce(ctx, tx, user, status, source)
  })
}

/** The first socket of somebody opened at this process. */
export async function arrive(ctx: Deps, userId: string, source: StatusSource): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const user = await lockUser(tx, userId)
    if (!user) return
    await insertPresence(tx, userId, ctx.eventLog.stream)
    const status = statusOnConnect(user.chosen_status)
    if (user.status === status) return
    await updateUser(tx, userId, { status })
    announce(ctx, tx, user, status, source)
  })
}

/** The last socket of somebody closed at this process. They are gone if no other process has one of theirs. */
export async function depart(ctx: Deps, userId: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    // Whoever arrives at another process meanwhile waits for this, or this for them.
    const user = await lockUser(tx, userId)
    if (!user) return
    await deletePresence(tx, userId, [ctx.eventLog.stream])
    const status = (await isPresent(tx, userId)) ? (user.status as UserStatus) : 'offline'
    await updateUser(tx, userId, { status, last_seen_at: ctx.clock() })
    announce(ctx, tx, user, status, 'ws_disconnect')
  })
}

/** Few enough that others get their turn in between. */
const BATCH = 200

/** Whoever was at processes that are no more, and at no other, is gone. */
export async function departWith(ctx: Deps, streams: readonly number[]): Promise<void> {
  let left: number
  do {
    left = await ctx.db.transact(async (tx) => {
      const users = await presentAt(tx, streams, BATCH)
      for (const userId of users) {
        const user = await lockUser(tx, userId)
        if (!user) continue
        await deletePresence(tx, userId, streams)
        if (await isPresent(tx, userId)) continue
        await updateUser(tx, userId, { status: 'offline', last_seen_at: ctx.clock() })
        announce(ctx, tx, user, 'offline', 'ws_disconnect')
      }
      return users.length
    })
  } while (left === BATCH)
}

/** At the start of a process: nobody is at it yet, nor at those that died. */
export async function resetPresence(ctx: Deps): Promise<void> {
  const own = ctx.eventLog.stream
  const living = await ctx.db.livingStreams()
  const over = (await presenceStreams(ctx.db.read)).filter((stream) => stream === own || !living.has(stream))
  // Alone, there is nobody to be told.
  if (living.size <= 1) await ctx.db.transact((tx) => deletePresenceAt(tx, over))
  else await departWith(ctx, over)
  await ctx.db.transact(markAbsent)
}

function announce(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  user: UserTable,
  status: UserStatus,
  source: StatusSource,
): void {
  if (user.status === status) return
  tx.publish({ type: 'user.status_changed', userId: user.id, status, source, at: ctx.clock() })
}
