import type { Db, Tx } from '#db/database.ts'

/** Notes that a message came from elsewhere. Its id is new, so the write cannot fail. */
export function insertNote(
  tx: Tx,
  { objectId, messageId, actorId }: { objectId: string; messageId: string; actorId: string },
): void {
  tx.later(
    tx.insertInto('remote_note').values({ object_id: objectId, message_id: messageId, actor_id: actorId }),
  )
}

/** The messages that a note of an actor is here. */
export async function messagesOfNote(db: Db, objectId: string, actorId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('remote_note')
    .select('message_id')
    .where('object_id', '=', objectId)
    .where('actor_id', '=', actorId)
    .execute()
  return rows.map(({ message_id }) => message_id)
}

/** The note that a message was, if it came from elsewhere. */
export async function noteOfMessage(db: Db, messageId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('remote_note')
    .select('object_id')
    .where('message_id', '=', messageId)
    .executeTakeFirst()
  return row?.object_id
}
