import { z } from 'zod'

const Role = z
  .object({
    role_id: z.string().meta({ example: 'event-team' }),
    role_name: z.string().meta({ example: 'Event team' }),
    privileges_ids: z.array(z.string()),
    is_system: z.boolean().meta({ description: 'Built in: cannot be changed or deleted.' }),
    user_count: z.int().meta({ description: 'How many people have it.' }),
    position: z.int().meta({ description: 'Rank: 0 is the highest.' }),
  })
  .meta({ id: 'Role' })

export const RoleParams = z.object({ role_id: z.string() })

export const RoleInput = z.object({
  role_name: z.string().min(1).max(256).meta({ description: '1 to 64 characters.', example: 'Event team' }),
  privileges_ids: z
    .array(z.string().max(64))
    .max(200)
    .meta({ example: ['send_messages', 'view_messages'] }),
})

export const RoleOrderInput = z.object({
  role_ids: z
    .array(z.string().max(64))
    .max(300)
    .meta({
      description: 'Every custom role and `moderator`, highest first.',
      example: ['event-team', 'moderator', 'vip'],
    }),
})

export const RoleAnswer = <const S extends number>(status: S, example: string) =>
  z.object({ status_code: z.literal(status), message: z.string().meta({ example }), role: Role })

export const RoleListAnswer = z.object({
  status_code: z.literal(200),
  roles: z.array(Role).meta({ description: 'Highest first.' }),
})

export const PrivilegeList = z.object({
  status_code: z.literal(200),
  privileges: z.array(
    z.object({
      privilege_id: z.string().meta({ example: 'create_channels' }),
      privilege_name: z.string().meta({ example: 'Create channels' }),
      category: z.string().meta({ example: 'channel_management' }),
      channel_scoped: z.boolean().meta({ description: 'Whether channels can allow and deny it.' }),
    }),
  ),
})

export const AssignInput = z.object({
  roles_ids: z
    .array(z.string().max(64))
    .max(100)
    .meta({ description: 'The roles that the person has from now on. None means `user`.' }),
})

export const Assigned = z.object({
  status_code: z.literal(200),
  message: z.string(),
  user: z.object({ user_id: z.string(), username: z.string(), roles_ids: z.array(z.string()) }),
})
