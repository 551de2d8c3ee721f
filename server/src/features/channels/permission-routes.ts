import type { Context } from '#context'
import type { OverrideFacts } from '#events/events.ts'
import type { Api } from '#http/endpoint.ts'
import { explain, inWords, reasonToWire, rightsIn } from './explain.ts'
import { overrideRights, readOverrides } from './overrides.ts'
import {
  ChannelParams,
  ChannelPrivileges,
  ExplainInput,
  Explanation,
  OverrideInput,
  OverrideList,
  OverrideParams,
} from './schema.ts'

const tag = 'Permissions'

export function permissionRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/privileges',
      tag,
      summary: 'What the caller may do in a channel',
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: ChannelPrivileges },
      errors: [404],
    },
    async ({ actor, params }) => ({
      channel_id: params.channel_id,
      privileges: await rightsIn(ctx.db.read, actor, params.channel_id),
    }),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/permissions/explain',
      tag,
      summary: 'Why somebody may or may not do something',
      description:
        'About oneself for everybody; about others for those with `manage_server_privileges`, and in a channel for ' +
        'those with `edit_channels` there.',
      access: 'user',
      bucket: 'default',
      input: ExplainInput,
      answers: { 200: Explanation },
      errors: [404],
    },
    async ({ actor, input }) => {
      const userId = input.user_id || actor.userId
      const channelId = input.channel_id || undefined
      const decision = await explain(ctx, actor, { userId, right: input.privilege_id, channelId })
      const { allowed, because } = decision
      return {
        user_id: userId,
        privilege_id: input.privilege_id,
        channel_id: channelId ?? null,
        allowed,
        reason: reasonToWire(because),
        hidden_reason: because.by === 'hidden' ? reasonToWire(because.because) : null,
        explanation: inWords(decision),
      }
    },
  )

  overrideRoutes(api, ctx)
}

function overrideRoutes(api: Api, ctx: Context): void {
  const needs = 'Needs the privilege `edit_channels` in the channel.'
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/channels/:channel_id/overrides',
      tag,
      summary: 'What a channel allows and denies to roles and people',
      description: needs,
      access: 'user',
      bucket: 'default',
      params: ChannelParams,
      answers: { 200: OverrideList },
      errors: [404],
    },
    async ({ actor, params }) => ({
      overrides: (await readOverrides(ctx.db.read, actor, params.channel_id)).map(overrideToWire),
    }),
  )

  const change = {
    path: '/api/v1/channels/:channel_id/overrides/:subject_type/:subject_id',
    tag,
    access: 'user',
    bucket: 'default',
    params: OverrideParams,
    answers: { 200: OverrideList },
    errors: [404],
  } as const
  api.endpoint(
    {
      ...change,
      method: 'PUT',
      summary: 'Allow and deny privileges of a channel to a role or a person',
      description:
        `Replaces what the channel said about them. Acts at once, on open sockets too. ${needs} The role or the ` +
        'person must rank below the caller, and the caller must have what they give or take.',
      input: OverrideInput,
    },
    async ({ actor, params, input }) => {
      const { channel_id, subject_type: subjectType, subject_id: subjectId } = params
      const said = { subjectType, subjectId, allow: distinct(input.allow), deny: distinct(input.deny) }
      return { overrides: (await overrideRights(ctx, actor, channel_id, said)).map(overrideToWire) }
    },
  )
  api.endpoint(
    {
      ...change,
      method: 'DELETE',
      summary: 'Let a channel say nothing about a role or a person any more',
      description: needs,
    },
    async ({ actor, params }) => {
      const { channel_id, subject_type: subjectType, subject_id: subjectId } = params
      const said = { subjectType, subjectId, allow: [], deny: [] }
      return { overrides: (await overrideRights(ctx, actor, channel_id, said)).map(overrideToWire) }
    },
  )
}

function overrideToWire({ subjectType, subjectId, allow, deny }: OverrideFacts) {
  return { subject_type: subjectType, subject_id: subjectId, allow: [...allow], deny: [...deny] }
}

function distinct(ids: readonly string[]): string[] {
  return [...new Set(ids)]
}
