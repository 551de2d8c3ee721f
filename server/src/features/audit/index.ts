export { pruneAudit } from './prune.ts'
export { recordAudit } from './record.ts'
export { auditRoutes } from './routes.ts'
