export { backupMetrics } from './metrics.ts'
export { backupTasks } from './tasks.ts'
