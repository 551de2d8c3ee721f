export { searchJobs } from './jobs.ts'
export { reindex, replaceSearchKey, searchStatus } from './reindex.ts'
export { searchRoutes } from './routes.ts'
export { SearchIndex } from './search-index.ts'
