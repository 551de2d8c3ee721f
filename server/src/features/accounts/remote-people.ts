import type { Tx } from '#db/database.ts'
import { insertUserUnlessTaken, updateUser } from './store.ts'
import { foldCase } from './username.ts'

/** No hash that any password has. */
const NO_PASSWORD = '!'

/**
 * Adds somebody of another server, to stand for them here. They have no role, are in no list of people, and cannot
 * sign in. Their name has an `@`, which no name of ours may have.
 *
 * @returns false if somebody else is called so
 */
export function addRemotePerson(
  tx: Tx,
  { id, handle, host, now }: { id: string; handle: string; host: string; now: number },
): Promise<boolean> {
  return insertUserUnlessTaken(tx, {
    id,
    username: handle,
    username_key: foldCase(handle),
    // Names of other servers look like each other as they please; which server it is stands next to them.
    username_skeleton: `@${id}`,
    password_hash: NO_PASSWORD,
    about: null,
    avatar: null,
    banner: null,
    status: 'offline',
    chosen_status: 'offline',
    created_at: now,
    updated_at: now,
    last_seen_at: null,
    origin_server: host,
  })
}

/** Notes that somebody of another server is called something else now. */
export async function renameRemotePerson(tx: Tx, id: string, handle: string, now: number): Promise<void> {
  await updateUser(tx, id, { username: handle, username_key: foldCase(handle), updated_at: now })
  tx.publish({ type: 'user.changed', userId: id })
}
