export { openCluster } from './cluster/open.ts'
export { Hub } from './hub.ts'
export { gatewayRoutes } from './routes.ts'
export { acceptSockets } from './upgrade.ts'
