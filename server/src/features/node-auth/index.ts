export { nodeAuthRoutes } from './routes.ts'
export { endNodeSessions } from './service.ts'
export { nodeAuthTasks } from './tasks.ts'
