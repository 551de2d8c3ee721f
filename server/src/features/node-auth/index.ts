export { pruneNodeSessions } from './prune.ts'
export { nodeAuthRoutes } from './routes.ts'
export { endNodeSessions } from './service.ts'
