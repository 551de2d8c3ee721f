export { recordActivity, recordActivityOnce, type ActivityType } from './record.ts'
export { rollUpChannel } from './roll-up.ts'
export { statRoutes } from './routes.ts'
export { statTasks } from './tasks.ts'
