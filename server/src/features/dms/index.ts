export { Conversations } from './conversations.ts'
export { dmRoutes } from './routes.ts'
