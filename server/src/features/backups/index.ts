export { backupTasks } from './tasks.ts'
