import { z } from 'zod'
import { appearanceFields } from '#features/appearance/index.ts'
import { ModerationState } from '#features/restrictions/index.ts'
import { IsoTime } from '#http/schemas.ts'
import { statuses } from './status.ts'

export const Credentials = z.object({
  username: z.string().min(1).max(256).meta({ example: 'johndoe' }),
  password: z.string().min(1).max(4096).meta({ format: 'password', example: 'mySecurePassword123!' }),
})

export const NewAccount = Credentials.extend({
  invite_code: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: 'Where `info` says that registration is by invite.' }),
})

const User = z
  .object({
    user_id: z.string().meta({ format: 'uuid' }),
    username: z.string(),
    about: z.string().nullable(),
    avatar_url: z.string().nullable(),
    banner_url: z.string().nullable(),
    status: z.enum(statuses),
    origin_server: z.string().meta({ description: '`host:port` of the server the account lives on.' }),
    inbox_id: z.string().nullable(),
    roles_ids: z.array(z.string()),
    resolved_roles: z.array(
      z.object({
        role_id: z.string(),
        role_name: z.string(),
        privileges_ids: z.array(z.string()),
        is_system: z.boolean(),
      }),
    ),
    resolved_privileges: z
      .array(z.string())
      .meta({ description: 'What the roles give together, on the whole server.' }),
    moderation_state: ModerationState,
    ...appearanceFields,
    is_owner: z.boolean(),
    is_admin: z.boolean(),
    last_seen: IsoTime.nullable(),
    joined_servers_ids: z.array(z.string()),
    created_at: IsoTime,
    updated_at: IsoTime,
    auth_token_expire_time: IsoTime.meta({
      description: 'When a token issued now would expire; kept for old clients.',
    }),
  })
  .meta({ id: 'User' })

export const ProfileInput = z.object({
  user_id: z.string().nullish().meta({ description: "Whose profile; the caller's own without it." }),
})

export const ProfileAnswer = z.object({ status_code: z.literal(200), user_data: User })

export const ProfileChange = z.object({
  new_username: z.string().max(256).nullish(),
  status: z
    .string()
    .max(64)
    .nullish()
    .meta({ description: `One of ${statuses.join(', ')}, or an alias (away, inactive, invisible).` }),
  new_password: z.string().max(4096).nullish().meta({ format: 'password' }),
  old_password: z.string().max(4096).nullish().meta({ format: 'password' }),
  about: z.string().max(20_000).nullish(),
})

export const ProfileChanged = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'username updated successfully' }),
  status: z.enum(statuses).optional().meta({ description: 'The new status, when it is what changed.' }),
})

const DuplicateStatus = z.enum(['new', 'existing']).meta({
  description: '`existing`: the caller had stored the same content before.',
})

export const AvatarAnswer = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Avatar uploaded successfully' }),
  avatar_url: z.string(),
  duplicate_status: DuplicateStatus,
})

export const BannerAnswer = z.object({
  status_code: z.literal(201),
  message: z.string().meta({ example: 'Banner uploaded successfully' }),
  banner_url: z.string(),
  duplicate_status: DuplicateStatus,
})

export const PasswordInput = z.object({ password: z.string().min(1).max(4096).meta({ format: 'password' }) })

export const UserList = z.object({ status_code: z.literal(200), users: z.array(User) })
