import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { channelRights, rightsByCategory, type Right } from '#lib/rights.ts'
import { assignRoles } from './assign.ts'
import { createRole, editRole, listRoles, orderRoles, removeRole, type RoleSeen } from './edit.ts'
import {
  AssignInput,
  Assigned,
  PrivilegeList,
  RoleAnswer,
  RoleInput,
  RoleListAnswer,
  RoleOrderInput,
  RoleParams,
} from './schema.ts'

const tag = 'Roles'
const RANKS = 'Only what ranks below the caller can be touched, and only rights that they have can be given.'

export function roleRoutes(api: Api, ctx: Pick<Context, 'db' | 'clock' | 'roles'>): void {
  readingRoutes(api, ctx)

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/roles',
      tag,
      summary: 'Create a role',
      description: `It becomes the lowest but \`user\`. ${RANKS}`,
      access: 'manage_server_privileges',
      bucket: 'default',
      input: RoleInput,
      answers: { 201: RoleAnswer(201, 'Role created successfully') },
      errors: [409],
    },
    async ({ actor, input }) => {
      const made = await createRole(ctx, actor, { name: input.role_name, rights: input.privileges_ids })
      return { message: 'Role created successfully', role: roleToWire(made) }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/system/roles/:role_id',
      tag,
      summary: 'Change the name and the rights of a role',
      description: `Acts at once for everybody who has it. ${RANKS}`,
      access: 'manage_server_privileges',
      bucket: 'default',
      params: RoleParams,
      input: RoleInput,
      answers: { 200: RoleAnswer(200, 'Role updated successfully') },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const edit = { name: input.role_name, rights: input.privileges_ids }
      const role = roleToWire(await editRole(ctx, actor, params.role_id, edit))
      return { message: 'Role updated successfully', role }
    },
  )

  api.endpoint(
    {
      method: 'DELETE',
      path: '/api/v1/system/roles/:role_id',
      tag,
      summary: 'Delete a role that nobody has',
      access: 'manage_server_privileges',
      bucket: 'default',
      params: RoleParams,
      answers: { 200: messageAnswer(200, 'Role deleted successfully') },
      errors: [404, 409],
    },
    async ({ actor, params }) => {
      await removeRole(ctx, actor, params.role_id)
      return { message: 'Role deleted successfully' }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/system/role-order',
      tag,
      summary: 'Put the roles between admin and user into another order',
      description: 'What does not rank below the caller must stay where it is.',
      access: 'manage_server_privileges',
      bucket: 'default',
      input: RoleOrderInput,
      answers: { 200: messageAnswer(200, 'Roles ordered successfully') },
    },
    async ({ actor, input }) => {
      await orderRoles(ctx, actor, input.role_ids)
      return { message: 'Roles ordered successfully' }
    },
  )

  api.endpoint(
    {
      method: 'PUT',
      path: '/api/v1/system/users/:user_id/roles',
      tag,
      summary: 'Set the roles of somebody',
      description: `An owner stays owner, and nobody becomes one this way. ${RANKS}`,
      access: 'manage_server_privileges',
      bucket: 'default',
      params: z.object({ user_id: z.string() }),
      input: AssignInput,
      answers: { 200: Assigned },
      errors: [404],
    },
    async ({ actor, params, input }) => {
      const { userId, username, roles } = await assignRoles(ctx, actor, params.user_id, input.roles_ids)
      return {
        message: 'User roles updated successfully',
        user: { user_id: userId, username, roles_ids: [...roles] },
      }
    },
  )
}

function readingRoutes(api: Api, ctx: Pick<Context, 'db' | 'roles'>): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/roles/list',
      tag,
      summary: 'List all roles, highest first',
      access: 'user',
      bucket: 'default',
      answers: { 200: RoleListAnswer },
    },
    async () => ({ roles: (await listRoles(ctx)).map(roleToWire) }),
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/privileges/list',
      tag,
      summary: 'List the privileges that roles can have',
      access: 'manage_server_privileges',
      bucket: 'default',
      answers: { 200: PrivilegeList },
    },
    () => ({
      privileges: Object.entries(rightsByCategory).flatMap(([category, rights]) =>
        rights.map((right) => ({
          privilege_id: right,
          privilege_name: nameOf(right),
          category,
          channel_scoped: (channelRights as readonly Right[]).includes(right),
        })),
      ),
    }),
  )
}

function roleToWire({ role, place, holders }: RoleSeen) {
  return {
    role_id: role.id,
    role_name: role.name,
    privileges_ids: [...role.rights],
    is_system: role.isSystem,
    user_count: holders,
    position: place,
  }
}

function nameOf(right: Right): string {
  return right[0]!.toUpperCase() + right.slice(1).replaceAll('_', ' ')
}
