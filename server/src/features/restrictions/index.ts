export {
  banned,
  demandNotBanned,
  restrictionsByUser,
  restrictionsOf,
  unrestricted,
  type Restrictions,
} from './restrictions.ts'
export { deleteRestriction, putRestriction } from './store.ts'
export { moderationStateOf, ModerationState } from './wire.ts'
