export { banByOperator, freeByOperator } from './operator.ts'
export { moderationRoutes } from './routes.ts'
