export { builtInRoles, inRankOrder, rightsOf, type BuiltInRole } from './policy.ts'
