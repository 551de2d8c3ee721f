export { housekeepingTasks } from './housekeeping.ts'
export { taskRoutes } from './routes.ts'
export { Tasks } from './tasks.ts'
export { runFrame } from './wire.ts'
