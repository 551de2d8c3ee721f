export { downloadRoutes } from './downloads.ts'
export { storageRoutes } from './routes.ts'
export { storageTasks } from './tasks.ts'
