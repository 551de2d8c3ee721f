import type { Context } from '#context'
import { ChannelParams } from '#features/channels/index.ts'
import type { Api } from '#http/endpoint.ts'
import { pushRoutes } from './push-routes.ts'
import { readEverywhere } from './preference-store.ts'
import { chooseEverywhere, choosePreference, dropPreference, preferencesOf } from './preferences.ts'
import { pageOfNotifications, readAll, readOne, unreadNotifications } from './recipient.ts'
import {
  ListInput,
  NotificationPage,
  NotificationParams,
  PreferenceAnswer,
  PreferenceDropped,
  PreferenceInput,
  PreferenceList,
  ReadAllAnswer,
  ReadAnswer,
  SettingsAnswer,
  SettingsInput,
  UnreadAnswer,
} from './schema.ts'
import { notificationToWire, preferenceToWire } from './wire.ts'

const common = { tag: 'Notifications', access: 'user', bucket: 'default' } as const

export function notificationRoutes(api: Api, ctx: Context): void {
  listRoutes(api, ctx)
  preferenceRoutes(api, ctx)
  pushRoutes(api, ctx)
}

function listRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: '/api/v1/notifications/',
      summary: 'List the messages that concern the caller',
      description:
        'Those that mention or answer them, in channels and conversations that they can see at this moment. One is read ' +
        'when it was marked, or its channel was read up to its message.',
      input: ListInput,
      answers: { 200: NotificationPage },
    },
    async ({ actor, input }) => {
      const { notifications, unread, next } = await pageOfNotifications(ctx.db.read, actor, input)
      return {
        notifications: notifications.map((row) => notificationToWire(row, actor.userId)),
        unread_count: unread,
        next,
      }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: '/api/v1/notifications/unread_count',
      summary: 'How many notifications the caller has not read',
      answers: { 200: UnreadAnswer },
    },
    async ({ actor }) => {
      const { total, byChannel } = await unreadNotifications(ctx.db.read, actor)
      return { unread_count: total, channels: Object.fromEntries(byChannel) }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'POST',
      path: '/api/v1/notifications/:notification_id/read',
      summary: 'Mark a notification as read',
      params: NotificationParams,
      answers: { 200: ReadAnswer },
      errors: [404],
    },
    async ({ actor, params }) => {
      const { alreadyRead, unread } = await readOne(ctx, actor, params.notification_id)
      return { already_read: alreadyRead, unread_count: unread }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'POST',
      path: '/api/v1/notifications/read-all',
      summary: 'Mark all notifications as read',
      answers: { 200: ReadAllAnswer },
    },
    async ({ actor }) => ({ marked: await readAll(ctx, actor), unread_count: 0 as const }),
  )
}

function preferenceRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: '/api/v1/notifications/preferences',
      summary: 'What the caller has chosen for single channels and conversations',
      answers: { 200: PreferenceList },
    },
    async ({ actor }) => {
      const now = ctx.clock()
      const rows = await preferencesOf(ctx.db.read, actor)
      return { preferences: rows.map((row) => preferenceToWire(row, now)) }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'PUT',
      path: '/api/v1/notifications/preferences/:channel_id',
      summary: 'Choose what one is told of in a channel or conversation',
      description:
        '`muted` is silence, for good or until `muted_until`: nothing that is said there meanwhile becomes a notification, ' +
        'not even later. With `mention_only`, or the level `mentions`, one is told of what concerns one; with `all`, of every ' +
        'message.',
      params: ChannelParams,
      input: PreferenceInput,
      answers: { 200: PreferenceAnswer },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const row = await choosePreference(ctx, actor, params.channel_id, input)
      return { preference: preferenceToWire(row, ctx.clock()) }
    },
  )

  api.endpoint(
    {
      ...common,
      method: 'DELETE',
      path: '/api/v1/notifications/preferences/:channel_id',
      summary: 'Take back what one has chosen for a channel or conversation',
      params: ChannelParams,
      answers: { 200: PreferenceDropped },
      errors: [404],
    },
    async ({ actor, params }) => ({ existed: await dropPreference(ctx, actor, params.channel_id) }),
  )

  api.endpoint(
    {
      ...common,
      method: 'GET',
      path: '/api/v1/notifications/settings',
      summary: 'What the caller is told of where they have not said otherwise',
      answers: { 200: SettingsAnswer },
    },
    async ({ actor }) => ({ level: await readEverywhere(ctx.db.read, actor.userId) }),
  )

  api.endpoint(
    {
      ...common,
      method: 'PUT',
      path: '/api/v1/notifications/settings',
      summary: 'Choose what one is told of where one has not said otherwise',
      input: SettingsInput,
      answers: { 200: SettingsAnswer },
    },
    async ({ actor, input }) => {
      await chooseEverywhere(ctx, actor, input.level)
      return { level: input.level }
    },
  )
}
