export { createInvite, inviteToWire, normalCode, revokeInvite } from './invite.ts'
export { inviteRoutes } from './routes.ts'
export { listInvites, takeInvite } from './store.ts'
