import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { preference } from '#http/preference.ts'
import { actorUrl } from './identity.ts'
import { lookUp, setEnabled } from './people.ts'
import { IdentityAnswer, IdentityChange, LookupAnswer, LookupInput } from './schema.ts'
import { isEnabled } from './store/people.ts'

const tag = 'Federation'

export function peopleRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/federation/lookup',
      tag,
      summary: 'Find somebody on another server',
      description: 'Asks the other server if nobody here has done so within a day.',
      access: 'user',
      bucket: 'default',
      input: LookupInput,
      answers: { 200: LookupAnswer },
      errors: [400, 403, 404],
    },
    async ({ input }) => ({ person: await lookUp(ctx, input.handle) }),
  )

  preference(
    api,
    {
      path: '/api/v1/federation/identity',
      tag,
      read: 'How other servers know the caller',
      change: {
        summary: 'Choose whether other servers know the caller',
        description:
          'Who is not known to other servers does not exist for them, and cannot write to people there.',
      },
      input: IdentityChange,
      placement: 'query or body',
      answer: IdentityAnswer,
    },
    {
      show: (userId) => identityOf(ctx, userId),
      choose: (userId, { enabled }) => setEnabled(ctx, userId, enabled),
    },
  )
}

async function identityOf(ctx: Context, userId: string) {
  const enabled = await isEnabled(ctx.db.read, userId)
  const name = await ctx.federation.local.nameOf(userId)
  return {
    enabled,
    handle: `${name}@${ctx.instance.host}`,
    actor: actorUrl(ctx.instance.origin, userId),
  }
}
