export { appearanceRoutes } from './routes.ts'
export { appearances } from './store.ts'
export { appearanceFields, appearanceToWire } from './wire.ts'
