export { Metrics } from './metrics.ts'
export { renameServer, serverNameOf } from './rename.ts'
export { instanceRoutes } from './routes.ts'
export {
  claimOwnership,
  createServerId,
  hasOwner,
  readServerId,
  readSettings,
  Settings,
  writeSettings,
  type ServerSettings,
} from './settings.ts'
