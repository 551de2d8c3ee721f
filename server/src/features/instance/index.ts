export { changeSettings, isSettingName, parseSetting } from './change-settings.ts'
export { Metrics } from './metrics.ts'
export { renameServer, serverNameOf } from './rename.ts'
export { registrationOf } from './registration.ts'
export { Releases } from './releases.ts'
export { instanceRoutes } from './routes.ts'
export {
  claimOwnership,
  countMembers,
  createServerId,
  defaultSettings,
  hasOwner,
  lockSettings,
  readServerId,
  readSettings,
  Settings,
  writeSettings,
  type ServerSettings,
} from './settings.ts'
export { instanceTasks } from './tasks.ts'
