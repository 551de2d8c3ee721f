import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { IsoTime, messageAnswer } from '#http/schemas.ts'
import { createInvite, inviteToWire, revokeInvite } from './invite.ts'
import { listInvites } from './store.ts'

const Invite = z
  .object({
    code: z.string(),
    created_by: z.object({ id: z.string(), username: z.string() }).nullable(),
    created_at: IsoTime,
    expires_at: IsoTime.nullable(),
    max_uses: z.int().nullable(),
    uses: z.int(),
  })
  .meta({ id: 'Invite' })

const InviteInput = z.object({
  max_uses: z.int().min(1).max(100_000).nullish().meta({ description: 'Without it, any number.' }),
  duration_minutes: z.int().min(1).max(5_256_000).nullish().meta({ description: 'Without it, for good.' }),
})

/** Codes by which people sign up where registration needs one. */
export function inviteRoutes(api: Api, ctx: Context): void {
  const common = { method: 'POST', tag: 'Invites', access: 'create_users', bucket: 'default' } as const
  api.endpoint(
    {
      ...common,
      path: '/api/v1/invites/create',
      summary: 'Make an invite',
      input: InviteInput,
      answers: { 201: z.object({ status_code: z.literal(201), invite: Invite }) },
    },
    async ({ actor, input }) => {
      const options = { maxUses: input.max_uses, durationMinutes: input.duration_minutes }
      const invite = await createInvite(ctx, actor.userId, options)
      return { invite: inviteToWire({ ...invite, created_by_name: actor.username }) }
    },
  )
  api.endpoint(
    {
      ...common,
      path: '/api/v1/invites/list',
      summary: 'List invites, newest first',
      answers: { 200: z.object({ status_code: z.literal(200), invites: z.array(Invite) }) },
    },
    async () => ({ invites: (await listInvites(ctx.db.read)).map(inviteToWire) }),
  )
  api.endpoint(
    {
      ...common,
      path: '/api/v1/invites/revoke',
      summary: 'Make an invite worthless',
      input: z.object({ code: z.string().min(1).max(64) }),
      answers: { 200: messageAnswer(200, 'The invite was revoked') },
      errors: [404],
    },
    async ({ actor, input }) => {
      await revokeInvite(ctx, actor.userId, input.code)
      return { message: 'The invite was revoked' }
    },
  )
}
