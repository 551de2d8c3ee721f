import { sql, type Kysely } from 'kysely'
import { Migrator, NO_MIGRATIONS, type MigrationResultSet } from 'kysely/migration'
import { migrations } from './migrations/index.ts'
import type { Tables } from './tables.ts'

export interface MigrationStatus {
  readonly name: string
  /** When it was applied, or undefined while it is pending. */
  readonly appliedAt: Date | undefined
  /** Whether this version of the program has it; a newer one may have applied more. */
  readonly known: boolean
}

/** The names of all migrations that this version has, in their order. */
export const knownMigrations: readonly string[] = Object.keys(migrations)

/** A database that a newer version of this program has changed. */
export class NewerDatabaseError extends Error {
  constructor(options?: ErrorOptions) {
    super('the database was made by a newer version of PufferBlow', options)
  }
}

function migratorFor(db: Kysely<Tables>): Migrator {
  // Kysely holds an advisory lock (PostgreSQL) or the write lock (SQLite) while it works.
  return new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } })
}

/**
 * Applies what is pending, all or nothing.
 *
 * @param to name of the last migration to be applied; later ones are undone
 * @returns the names that were applied or undone
 * @throws NewerDatabaseError when the database has migrations this program does not know
 */
export async function migrate(db: Kysely<Tables>, to?: string): Promise<string[]> {
  const migrator = migratorFor(db)
  return namesOf(to === undefined ? await migrator.migrateToLatest() : await migrator.migrateTo(to))
}

/**
 * Undoes the newest migration.
 *
 * @returns its name, or nothing when there was none
 * @throws NewerDatabaseError
 */
export async function migrateDown(db: Kysely<Tables>): Promise<string[]> {
  return namesOf(await migratorFor(db).migrateDown())
}

/** Undoes every migration: what is left is an empty database. @throws NewerDatabaseError */
export async function migrateToNothing(db: Kysely<Tables>): Promise<string[]> {
  return namesOf(await migratorFor(db).migrateTo(NO_MIGRATIONS))
}

/** All migrations in their order, and after them those of a newer version. Changes nothing. */
export async function migrationStatus(db: Kysely<Tables>): Promise<MigrationStatus[]> {
  const all = await migratorFor(db).getMigrations()
  const status = all.map(({ name, executedAt }) => ({ name, appliedAt: executedAt, known: true }))
  if (status.every(({ appliedAt }) => appliedAt === undefined)) return status
  const { rows } = await sql<{ name: string; timestamp: string }>`
    select name, timestamp from kysely_migration order by name
  `.execute(db)
  const newer = rows.filter(({ name }) => !Object.hasOwn(migrations, name))
  return [
    ...status,
    ...newer.map(({ name, timestamp }) => ({ name, appliedAt: new Date(timestamp), known: false })),
  ]
}

function namesOf({ error, results }: MigrationResultSet): string[] {
  if (error instanceof Error && error.message.startsWith('corrupted migrations')) {
    throw new NewerDatabaseError({ cause: error })
  }
  if (error !== undefined) throw error as Error
  return (results ?? []).filter((result) => result.status === 'Success').map((result) => result.migrationName)
}
