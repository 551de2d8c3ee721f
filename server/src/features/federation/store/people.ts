import type { Db, Tx } from '#db/database.ts'
import type { UserTable } from '#db/tables.ts'

/** Somebody of this server whom other servers may know. */
export type OpenPerson = Pick<UserTable, 'id' | 'username' | 'avatar'>

/** @returns undefined also for those who do not want to be known to other servers */
export function findOpenPerson(db: Db, id: string): Promise<OpenPerson | undefined> {
  return openPeople(db).where('user.id', '=', id).executeTakeFirst()
}

/** By the folded username. */
export function findOpenPersonByUsername(db: Db, key: string): Promise<OpenPerson | undefined> {
  return openPeople(db).where('user.username_key', '=', key).executeTakeFirst()
}

/** By a name that was given out to other servers, now or once. */
export function findOpenPersonByFederatedName(db: Db, key: string): Promise<OpenPerson | undefined> {
  return openPeople(db)
    .innerJoin('federation_name', 'federation_name.user_id', 'user.id')
    .where('federation_name.name_key', '=', key)
    .executeTakeFirst()
}

/** Remembers a name as given out. Whoever has it now gets it, whoever had it before. */
export async function putFederatedName(tx: Tx, key: string, userId: string, now: number): Promise<void> {
  await tx
    .insertInto('federation_name')
    .values({ name_key: key, user_id: userId, created_at: now })
    .onConflict((conflict) =>
      conflict
        .column('name_key')
        .doUpdateSet({ user_id: userId, created_at: now })
        .where('federation_name.user_id', '!=', userId),
    )
    .execute()
}

/** Whether somebody of this server is known to other servers. */
export async function isEnabled(db: Db, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('federation_person')
    .select('is_enabled')
    .where('user_id', '=', userId)
    .executeTakeFirst()
  return row?.is_enabled !== 0
}

export async function putEnabled(tx: Tx, userId: string, enabled: boolean): Promise<void> {
  const is_enabled = enabled ? 1 : 0
  await tx
    .insertInto('federation_person')
    .values({ user_id: userId, is_enabled })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ is_enabled }))
    .execute()
}

function openPeople(db: Db) {
  return db
    .selectFrom('user')
    .leftJoin('federation_person', 'federation_person.user_id', 'user.id')
    .select(['user.id', 'user.username', 'user.avatar'])
    .where('user.origin_server', 'is', null)
    .where((where) =>
      where.or([
        where('federation_person.is_enabled', 'is', null),
        where('federation_person.is_enabled', '=', 1),
      ]),
    )
}
