import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Context } from '#context'
import { sessionAnswer, tokensOf } from '#features/auth/index.ts'
import { appearances } from '#features/appearance/index.ts'
import { restrictionsByUser, restrictionsOf, unrestricted } from '#features/restrictions/index.ts'
import { rolesByUser, rolesOf } from '#features/roles/index.ts'
import type { Api, Endpoint } from '#http/endpoint.ts'
import { notFound } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { cleanLine } from '#lib/text.ts'
import { editProfile } from './edit-profile.ts'
import { pictureRoutes } from './pictures.ts'
import {
  Credentials,
  NewAccount,
  PasswordInput,
  ProfileAnswer,
  ProfileChange,
  ProfileChanged,
  ProfileInput,
  UserList,
} from './schema.ts'
import { resetTokens, signIn, type Visit } from './sign-in.ts'
import { signUp } from './sign-up.ts'
import { findUser, listUsers } from './store.ts'
import { userToWire } from './wire.ts'

const tag = 'Users'
const SIGNED_IN = 'Signin successfully'
const SIGNED_UP = 'Account created successfully'
const RESET = 'auth_token reset successfully'

export function accountRoutes(api: Api, ctx: Context): void {
  signingRoutes(api, ctx)
  profileRoutes(api, ctx)
  pictureRoutes(api, ctx)
  directoryRoutes(api, ctx)
}

function signingRoutes(api: Api, ctx: Context): void {
  const signin = {
    path: '/api/v1/users/signin',
    tag,
    access: 'public',
    bucket: 'auth',
    input: Credentials,
    answers: { 200: sessionAnswer(200, SIGNED_IN) },
    errors: [403],
  } as const
  const handle = async ({
    input,
    request,
  }: {
    input: z.output<typeof Credentials>
    request: FastifyRequest
  }) => {
    const session = await signIn(ctx, input, visitOf(request))
    return { message: SIGNED_IN, ...(await tokensOf(ctx, session)) }
  }
  const viaQuery = 'Proxies log queries: prefer the POST form, which keeps the password out of the URL.'
  const get = { ...signin, method: 'GET', summary: 'Sign in (query)', description: viaQuery } as const
  const post = { ...signin, method: 'POST', summary: 'Sign in', placement: 'query or body' } as const
  api.endpoint(get satisfies Endpoint<never, typeof Credentials, typeof signin.answers>, handle)
  api.endpoint(post satisfies Endpoint<never, typeof Credentials, typeof signin.answers>, handle)

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/users/signup',
      tag,
      summary: 'Create an account',
      description: 'The first account of an empty server becomes its owner.',
      access: 'public',
      bucket: 'auth',
      input: NewAccount,
      answers: { 201: sessionAnswer(201, SIGNED_UP) },
      errors: [403, 409],
    },
    async ({ input, request }) => {
      const session = await signUp(ctx, input, visitOf(request))
      return { message: SIGNED_UP, ...(await tokensOf(ctx, session)) }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/users/profile/reset-auth-token',
      tag,
      summary: 'End every session of the caller and open a new one',
      description: 'A wrong password answers 404, which is what existing clients know it by.',
      access: 'user',
      bucket: 'auth',
      input: PasswordInput,
      answers: { 200: sessionAnswer(200, RESET) },
      errors: [404],
    },
    async ({ actor, input, request }) => {
      const session = await resetTokens(ctx, actor, input.password, visitOf(request))
      return { message: RESET, ...(await tokensOf(ctx, session)) }
    },
  )
}

function profileRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/users/profile',
      tag,
      summary: "Read the caller's profile or somebody else's",
      access: 'user',
      bucket: 'default',
      input: ProfileInput,
      placement: 'query or body',
      answers: { 200: ProfileAnswer },
      errors: [404],
    },
    async ({ actor, input }) => {
      const id = input.user_id || actor.userId
      const user = isId(id) ? await findUser(ctx.db.read, id) : undefined
      if (!user) throw notFound('User', id)
      const { read } = ctx.db
      const about = {
        roleIds: await rolesOf(read, id),
        restrictions: await restrictionsOf(read, id, ctx.clock()),
        appearance: (await appearances(read, [id])).get(id),
      }
      return { user_data: userToWire(ctx, actor, user, about) }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/users/profile',
      tag,
      summary: "Change the caller's name, status, password or about text",
      description:
        'One change a request; the first of new_username, status, new_password with old_password, about. ' +
        'A changed password ends all other sessions.',
      access: 'user',
      bucket: 'default',
      input: ProfileChange,
      placement: 'query or body',
      answers: { 200: ProfileChanged },
      errors: [409],
    },
    async ({ actor, input }) => ({ ...(await editProfile(ctx, actor, input)) }),
  )
}

function directoryRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/users',
      tag,
      summary: 'About these routes',
      access: 'public',
      bucket: 'default',
      answers: { 200: z.object({ status_code: z.literal(200), description: z.string() }) },
    },
    () => ({ description: 'Accounts, sign-in and profiles' }),
  )

  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/users/list',
      tag,
      summary: 'List all users of this server',
      access: 'view_users',
      bucket: 'default',
      answers: { 200: UserList },
    },
    async ({ actor }) => {
      const [users, roles] = [await listUsers(ctx.db.read), await rolesByUser(ctx.db.read)]
      const restrictions = await restrictionsByUser(ctx.db.read, ctx.clock())
      const looks = await appearances(ctx.db.read)
      const list = users.map((user) =>
        userToWire(ctx, actor, user, {
          roleIds: roles.get(user.id) ?? [],
          restrictions: restrictions.get(user.id) ?? unrestricted,
          appearance: looks.get(user.id),
        }),
      )
      return { users: list }
    },
  )
}

function visitOf({ client, headers }: FastifyRequest): Visit {
  return { client, device: cleanLine(headers['user-agent'] ?? '').slice(0, 200) || 'unknown' }
}
