import type { Context } from '#context'
import { foldCase } from '#features/accounts/index.ts'
import { notFound } from '#http/errors.ts'
import { retireKeys } from './store/keys.ts'
import { findOpenPersonByUsername } from './store/people.ts'

/**
 * Takes the keys of everybody, or of one person, out of use; new ones are made when they are needed. Peers that
 * remember an old one ask again when a signature does not fit it.
 *
 * @returns whose keys were replaced: how many
 * @throws HttpError 404
 */
export async function rotateKeys(ctx: Pick<Context, 'db' | 'clock'>, name?: string): Promise<number> {
  const person = name === undefined ? undefined : await findOpenPersonByUsername(ctx.db.read, foldCase(name))
  if (name !== undefined && !person) throw notFound('User', name)
  return ctx.db.transact(async (tx) => {
    const owners = await retireKeys(tx, person?.id, ctx.clock())
    tx.publish({ type: 'federation_keys.changed' })
    return owners.size
  })
}
