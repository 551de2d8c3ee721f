export { retentionRoutes } from './routes.ts'
export { retentionTasks } from './tasks.ts'
