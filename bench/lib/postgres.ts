import { startPostgres } from '#test/postgres.ts'

/** Runs with an empty database of a PostgreSQL of its own. @param use gets its URL */
export async function withPostgres<T>(use: (url: string) => Promise<T>): Promise<T> {
  const postgres = await startPostgres()
  try {
    await postgres.server.createDatabase('bench')
    return await use(postgres.urlOf('bench'))
  } finally {
    await postgres.stop()
  }
}
