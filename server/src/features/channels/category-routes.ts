import type { Context } from '#context'
import type { ChannelCategoryTable } from '#db/tables.ts'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import {
  arrangeChannels,
  createCategory,
  deleteCategory,
  listCategoriesFor,
  renameCategory,
} from './categories.ts'
import {
  CategoryCreated,
  CategoryInput,
  CategoryList,
  CategoryParams,
  CategoryRenamed,
  OrderInput,
} from './schema.ts'

const tag = 'Channels'
const CATEGORIES = '/api/v1/channels/categories'
const CATEGORY = `${CATEGORIES}/:category_id`

/** How lists of channels are ordered. */
export function categoryRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: CATEGORIES,
      tag,
      summary: 'List the categories of channels, in their order',
      description:
        'Those with a channel that the caller may see; all of them with the privilege `edit_channels`.',
      access: 'user',
      bucket: 'default',
      answers: { 200: CategoryList },
    },
    async ({ actor }) => ({ categories: (await listCategoriesFor(ctx.db.read, actor)).map(toWire) }),
  )

  api.endpoint(
    {
      method: 'POST',
      path: CATEGORIES,
      tag,
      summary: 'Create a category of channels',
      access: 'edit_channels',
      bucket: 'default',
      input: CategoryInput,
      answers: { 201: CategoryCreated },
      errors: [409],
    },
    async ({ actor, input }) => ({ category: toWire(await createCategory(ctx, actor, input.category_name)) }),
  )

  api.endpoint(
    {
      method: 'PUT',
      path: CATEGORY,
      tag,
      summary: 'Rename a category of channels',
      access: 'edit_channels',
      bucket: 'default',
      params: CategoryParams,
      input: CategoryInput,
      answers: { 200: CategoryRenamed },
      errors: [404, 409],
    },
    async ({ actor, params, input }) => ({
      category: toWire(await renameCategory(ctx, actor, params.category_id, input.category_name)),
    }),
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: CATEGORY,
      tag,
      summary: 'Remove a category; its channels stay',
      access: 'edit_channels',
      bucket: 'default',
      params: CategoryParams,
      answers: { 200: messageAnswer(200, 'The category was removed') },
      errors: [404],
    },
    async ({ actor, params }) => {
      await deleteCategory(ctx, actor, params.category_id)
      return { message: 'The category was removed' }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/channels/order',
      tag,
      summary: 'Put channels and categories in another order, all at once or none',
      description:
        'Lower positions come first. What is not named keeps its position. Needs the privilege `edit_channels` on the ' +
        'whole server and in each of the channels.',
      access: 'edit_channels',
      bucket: 'default',
      input: OrderInput,
      answers: { 200: messageAnswer(200, 'The order was changed') },
      errors: [404],
    },
    async ({ actor, input }) => {
      await arrangeChannels(ctx, actor, input)
      return { message: 'The order was changed' }
    },
  )
}

function toWire({ id, name, position }: ChannelCategoryTable) {
  return { category_id: id, category_name: name, position }
}
