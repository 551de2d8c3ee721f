export { compileOverrides } from './overrides.ts'
export { builtInRoles, RoleList, type BuiltInRole } from './role-list.ts'
export { Roles } from './roles.ts'
export { roleRoutes } from './routes.ts'
export {
  grantRole,
  listOverrides,
  lockOwners,
  lockRoleList,
  overridesFor,
  putOverride,
  replaceRoles,
  rolesByUser,
  rolesOf,
} from './store.ts'
