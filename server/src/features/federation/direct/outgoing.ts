import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { RemoteActorTable } from '#db/tables.ts'
import type { MessageContent } from '#events/events.ts'
import type { RemotePeople } from '#features/dms/index.ts'
import { addressOf } from '#features/files/index.ts'
import { badRequest, forbidden, HttpError } from '#http/errors.ts'
import { enqueueDelivery } from '../delivery/enqueue.ts'
import { cutFollows } from '../follows.ts'
import { activityUrl } from '../identity.ts'
import { resolvePerson } from '../people.ts'
import type { RemoteActor } from '../remote-actor.ts'
import { ensureShadow, handleOf } from '../shadows.ts'
import { actorsOfUsers } from '../store/actors.ts'
import { isBlockedBy } from '../store/blocks.ts'
import { noteOfMessage } from '../store/notes.ts'
import { isEnabled } from '../store/people.ts'
import { createNoteActivity, deleteNoteActivity, readActivity, updateNoteActivity } from './note.ts'

type Deps = Pick<
  Context,
  'db' | 'clock' | 'config' | 'keyring' | 'instance' | 'federation' | 'fileLinks' | 'conversations'
>

/** Lets direct messages reach people on other servers. */
export function connectDirectMessages(ctx: Deps): void {
  ctx.conversations.connect(remotePeople(ctx))
}

function remotePeople(ctx: Deps): RemotePeople {
  const { instance, federation } = ctx
  return {
    resolve: async (address) => {
      const actor = await resolveOr400(ctx, address)
      const userId = await ctx.db.transact((tx) => ensureShadow(ctx, tx, actor))
      return peerOf(userId, actor)
    },

    find: async (userId) => {
      const [row] = await actorsOfUsers(ctx.db.read, [userId])
      return row && peerOf(userId, actorOf(row))
    },

    deliver: (tx, message, participantIds) =>
      tell(tx, message, participantIds, (actor) =>
        createNoteActivity(instance.origin, message, actor, linkFor(actor)),
      ),

    revise: async (tx, { edited, ...message }, participantIds) => {
      if (!edited) return
      await tell(tx, message, participantIds, (actor) =>
        updateNoteActivity(instance.origin, { ...message, edited }, actor, linkFor(actor)),
      )
    },

    retract: async (tx, message, participantIds) => {
      if (await isRemote(tx, message.senderId)) return
      for (const { actor } of await remoteAmong(tx, participantIds)) {
        send(ctx, tx, message, actor, deleteNoteActivity(instance.origin, message, actor))
      }
    },

    noteRead: async (tx, message, participantIds) => {
      const [author] = (await remoteAmong(tx, participantIds)).filter(
        ({ userId }) => userId === message.senderId,
      )
      if (!author?.actor.takesReadReceipts || !(await isEnabled(tx, message.readerId))) return
      const objectId = await noteOfMessage(tx, message.id)
      if (objectId === undefined) return
      const { readerId, channelId } = message
      const activity = readActivity(instance.origin, { readerId, objectId }, author.actor, ctx.clock())
      send(ctx, tx, { senderId: readerId, channelId }, author.actor, activity)
    },

    cut: async (tx, userId, blockedId) => {
      for (const { actor } of await remoteAmong(tx, [blockedId])) await cutFollows(ctx, tx, userId, actor)
    },

    activityIdOf: (messageId) => activityUrl(instance.origin, messageId),
  }

  /** Tells participants elsewhere something of a message of somebody here. */
  async function tell(
    tx: Tx,
    message: Pick<MessageContent, 'senderId' | 'channelId'>,
    participantIds: readonly string[],
    activityFor: (actor: RemoteActor) => ReturnType<typeof createNoteActivity>,
  ): Promise<void> {
    const recipients = await remoteAmong(tx, participantIds)
    if (recipients.length === 0) return
    await demandSender(tx, message)
    for (const { actor, isGone } of recipients) {
      if (isGone) throw badRequest('This person is not there any more')
      await demandRecipient(ctx, tx, message.senderId, actor)
      send(ctx, tx, message, actor, activityFor(actor))
    }
  }

  function linkFor({ host }: RemoteActor) {
    return (file: MessageContent['files'][number]): string =>
      `${instance.origin}${addressOf(file)}?${ctx.fileLinks.signForPeer(file.id, host)}`
  }

  /** People elsewhere are not told that somebody here does not exist for them. */
  async function demandSender(tx: Tx, { senderId }: Pick<MessageContent, 'senderId'>): Promise<void> {
    federation.demandReachable()
    if (!(await isEnabled(tx, senderId))) throw badRequest('You are not known to other servers')
  }
}

/** @throws HttpError 403 */
async function demandRecipient(ctx: Deps, tx: Tx, senderId: string, actor: RemoteActor): Promise<void> {
  if (!ctx.federation.policy.verdict(actor.host).allowed) {
    throw forbidden('This server does not talk to that one')
  }
  if (await isBlockedBy(tx, senderId, actor.id)) {
    throw forbidden('This person does not take direct messages from you')
  }
}

/** To the personal inbox, as what is in it is for one person; in order with what else is said in the conversation. */
function send(
  ctx: Deps,
  tx: Tx,
  { senderId, channelId }: { senderId: string; channelId: string },
  { inbox }: RemoteActor,
  activity: ReturnType<typeof createNoteActivity>,
): void {
  enqueueDelivery(ctx, tx, { senderId, inbox, lane: channelId, activity })
}

interface RemoteParticipant {
  readonly userId: string
  readonly actor: RemoteActor
  readonly isGone: boolean
}

async function remoteAmong(tx: Tx, userIds: readonly string[]): Promise<RemoteParticipant[]> {
  const rows = await actorsOfUsers(tx, userIds)
  return rows.map((row) => ({ userId: row.user_id!, actor: actorOf(row), isGone: row.gone_at !== null }))
}

async function isRemote(tx: Tx, userId: string): Promise<boolean> {
  return (await actorsOfUsers(tx, [userId])).length > 0
}

function peerOf(userId: string, actor: RemoteActor) {
  return { userId, username: handleOf(actor), actorUri: actor.id, deliveryTarget: actor.inbox }
}

function actorOf(row: RemoteActorTable): RemoteActor {
  return JSON.parse(row.document) as RemoteActor
}

/** Clients know one status for a peer that cannot be had. */
async function resolveOr400(ctx: Deps, address: string): Promise<RemoteActor> {
  try {
    return await resolvePerson(ctx, address)
  } catch (error) {
    if (error instanceof HttpError && error.status !== 500) {
      throw new HttpError(400, error.detail, { cause: error })
    }
    throw error
  }
}
