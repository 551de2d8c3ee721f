import type { Context } from '#context'
import type { Db, Tx } from '#db/database.ts'
import { isUniqueViolation } from '#db/errors.ts'
import type { ChannelCategoryTable } from '#db/tables.ts'
import { foldCase } from '#features/accounts/index.ts'
import { recordAudit } from '#features/audit/index.ts'
import { demand, type Actor } from '#http/access.ts'
import { badRequest, conflict, invalidField, notFound } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import { characterCount, cleanLine } from '#lib/text.ts'
import { channelNotFound, listVisibleChannels } from './access.ts'
import {
  emptyCategory,
  insertCategory,
  listCategories,
  removeCategory,
  updateCategory,
} from './category-store.ts'
import { updateChannel } from './store.ts'
import { factsOf } from './wire.ts'

const MAX_NAME = 100
const MAX_CATEGORIES = 200

type Deps = Pick<Context, 'db' | 'clock'>

/**
 * The categories, in their order: those with a channel that `actor` may see, and all of them for who arranges channels. A
 * name can tell as much as that of a channel.
 */
export async function listCategoriesFor(db: Db, actor: Actor): Promise<ChannelCategoryTable[]> {
  const categories = await listCategories(db)
  if (categories.length === 0 || actor.rights.has('edit_channels')) return categories
  const seen = new Set((await listVisibleChannels(db, actor)).map(({ category_id }) => category_id))
  return categories.filter(({ id }) => seen.has(id))
}

/** Makes a category, the last one. @throws HttpError 400 too many, 409 name taken, 422 */
export async function createCategory(ctx: Deps, actor: Actor, input: string): Promise<ChannelCategoryTable> {
  const name = nameOf(input)
  const now = ctx.clock()
  const row = { id: newId(now), name, name_key: foldCase(name), position: null, created_at: now }
  return namingTo(name, () =>
    ctx.db.transact(async (tx) => {
      if ((await listCategories(tx)).length >= MAX_CATEGORIES)
        throw badRequest(`There are at most ${MAX_CATEGORIES} categories`)
      await insertCategory(tx, row)
      announce(tx, actor, { action: 'category.created', id: row.id, details: { category_name: name }, now })
      return row
    }),
  )
}

/** Gives a category another name. @throws HttpError 404, 409 name taken, 422 */
export async function renameCategory(
  ctx: Deps,
  actor: Actor,
  id: string,
  input: string,
): Promise<ChannelCategoryTable> {
  const name = nameOf(input)
  return namingTo(name, () =>
    ctx.db.transact(async (tx) => {
      const row = await updateCategory(tx, id, { name, name_key: foldCase(name) })
      if (!row) throw categoryNotFound(id)
      const details = { category_name: name }
      announce(tx, actor, { action: 'category.updated', id, details, now: ctx.clock() })
      return row
    }),
  )
}

/** Removes a category; its channels stay, in none. @throws HttpError 404 */
export async function deleteCategory(ctx: Deps, actor: Actor, id: string): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const now = ctx.clock()
    const category = await removeCategory(tx, id)
    if (!category) throw categoryNotFound(id)
    for (const channel of await emptyCategory(tx, id, now))
      tx.publish({ type: 'channel.updated', channel: factsOf(channel) })
    const details = { category_name: category.name }
    announce(tx, actor, { action: 'category.deleted', id, details, now })
  })
}

/** Where channels and categories are to be. */
export interface Arrangement {
  readonly channels: readonly {
    readonly channel_id: string
    readonly position: number
    readonly category_id?: string | null | undefined
  }[]
  readonly categories: readonly { readonly category_id: string; readonly position: number }[]
}

/** Puts channels and categories in another order, all at once or none. @throws HttpError 400, 403, 404 */
export async function arrangeChannels(
  ctx: Deps,
  actor: Actor,
  { channels, categories }: Arrangement,
): Promise<void> {
  if (channels.length + categories.length === 0)
    throw badRequest('Nothing to do: send channels or categories')
  expectOnce(channels.map(({ channel_id }) => channel_id))
  expectOnce(categories.map(({ category_id }) => category_id))
  await ctx.db.transact(async (tx) => {
    const now = ctx.clock()
    const visible = new Map((await listVisibleChannels(tx, actor)).map((channel) => [channel.id, channel]))
    for (const { channel_id: id } of channels) {
      const channel = visible.get(id)
      if (!channel) throw channelNotFound(id)
      demand(actor, 'edit_channels', channel.standing)
    }
    // In the order of ids, or two who do this at the same time could wait for each other.
    for (const { category_id: id, position } of categories.toSorted(byText(({ category_id }) => category_id)))
      if (!(await updateCategory(tx, id, { position }))) throw categoryNotFound(id)
    await holdCategories(
      tx,
      channels.flatMap(({ category_id }) => category_id ?? []),
    )
    for (const place of channels.toSorted(byText(({ channel_id }) => channel_id))) {
      const { channel_id: id, position, category_id } = place
      const { position: before, category_id: within } = visible.get(id)!
      if (before === position && (category_id === undefined || category_id === within)) continue
      const change = { position, ...(category_id !== undefined && { category_id }) }
      const row = await updateChannel(tx, id, change, { access: false, now })
      if (!row) throw channelNotFound(id)
      tx.publish({ type: 'channel.updated', channel: factsOf(row) })
    }
    const details = { channels, categories }
    if (categories.length > 0) tx.publish({ type: 'categories.changed' })
    recordAudit(tx, {
      actorId: actor.userId,
      action: 'channels.arranged',
      targetType: 'server',
      targetId: 'server',
      details,
      at: now,
    })
  })
}

/** Keeps categories from being removed until this transaction is over. @throws HttpError 404 */
export async function holdCategories(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const id of [...new Set(ids)].toSorted()) {
    if (!(await updateCategory(tx, id, {}))) throw categoryNotFound(id)
  }
}

function announce(
  tx: Tx,
  actor: Actor,
  { action, id, details, now }: { action: string; id: string; details: object; now: number },
): void {
  tx.publish({ type: 'categories.changed' })
  const target = { targetType: 'category', targetId: id }
  recordAudit(tx, { actorId: actor.userId, action, ...target, details: { ...details }, at: now })
}

function expectOnce(ids: readonly string[]): void {
  if (new Set(ids).size < ids.length) throw badRequest('A channel or category is there twice')
}

function byText<T>(text: (one: T) => string): (a: T, b: T) => number {
  return (a, b) => (text(a) < text(b) ? -1 : 1)
}

/** A name as it will be stored. @throws HttpError 422 */
function nameOf(input: string): string {
  const name = cleanLine(input.normalize('NFC'))
  if (name === '' || characterCount(name) > MAX_NAME)
    throw invalidField(['body', 'category_name'], `must have 1 to ${MAX_NAME} characters`, 'value_error')
  return name
}

async function namingTo<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (!isUniqueViolation(error, 'name_key')) throw error
    throw conflict(`The category name '${name}' is already taken`)
  }
}

function categoryNotFound(id: string) {
  return notFound('Category', id)
}
