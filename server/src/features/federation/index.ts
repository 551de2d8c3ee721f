export { Federation } from './federation.ts'
export { federationRoutes } from './routes.ts'
