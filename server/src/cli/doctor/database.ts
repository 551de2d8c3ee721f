import { existsSync } from 'node:fs'
import type { Config } from '#config/schema.ts'
import { asUnavailable } from '#db/errors.ts'
import { inspectDatabase, type Inspection } from '#db/inspect.ts'
import type { DatabaseOptions } from '#db/open.ts'
import { loadMasterKey, masterKeyFile } from '#keys/master-key.ts'
import { unwrapKey } from '#keys/wrap.ts'
import { fail, ok, reasonOf, warn, type Check } from './check.ts'

const OLDEST_POSTGRES = 14
const WARN_CLOCK_MS = 2000
const FAIL_CLOCK_MS = 60_000

/** Whether the database answers, is whole and fits this program. Changes nothing in it. */
export async function checkDatabase(config: Config, options: DatabaseOptions): Promise<Check[]> {
  try {
    await using database = await inspectDatabase(options)
    if (!database) return [ok('database', 'it does not exist yet; the first start makes it')]
    return [
      checkVersion(database),
      ...(database.dialect === 'postgres' ? [await checkDatabaseClock(database)] : []),
      await checkDamage(database),
      await checkMigrations(database),
      await checkKeys(config, database),
    ]
  } catch (error) {
    return [
      fail('database', reasonOf(asUnavailable(error)), 'check PUFFERBLOW_DATABASE_URL and that it runs'),
    ]
  }
}

function checkVersion({ dialect, version }: Inspection): Check {
  if (dialect === 'sqlite') return ok('database', `SQLite ${version.text}`)
  if (version.major >= OLDEST_POSTGRES) return ok('database', `PostgreSQL ${version.text}`)
  const found = `PostgreSQL ${version.text} is older than ${OLDEST_POSTGRES}`
  return fail('database', found, `upgrade it to PostgreSQL ${OLDEST_POSTGRES} or newer`)
}

async function checkDatabaseClock(database: Inspection): Promise<Check> {
  const before = Date.now()
  const theirs = await database.clock()
  const ours = (before + Date.now()) / 2
  const difference = Math.abs(theirs - ours)
  if (difference <= WARN_CLOCK_MS) return ok('database clock', 'agrees with ours')
  const found = `the database is ${Math.round(difference / 1000)} s away from the clock of this machine`
  const advice = 'let NTP set the clocks of both machines'
  return difference > FAIL_CLOCK_MS
    ? fail('database clock', found, advice)
    : warn('database clock', found, advice)
}

async function checkDamage(database: Inspection): Promise<Check> {
  const damage = await database.damage()
  if (damage.length === 0) {
    const found = database.dialect === 'sqlite' ? 'no damage found' : 'left to PostgreSQL'
    return ok('integrity', found)
  }
  const rest = damage.length > 3 ? ` and ${damage.length - 3} more` : ''
  return fail(
    'integrity',
    `${damage.slice(0, 3).join('; ')}${rest}`,
    'stop the server, keep a copy of the database, and restore the last good backup',
  )
}

async function checkMigrations(database: Inspection): Promise<Check> {
  const migrations = await database.migrations()
  const newer = migrations.filter(({ known }) => !known)
  if (newer.length > 0) {
    const found = `it was changed by a newer version (${newer.map(({ name }) => name).join(', ')})`
    return fail('migrations', found, 'run that version, or restore a backup from before')
  }
  const pending = migrations.filter(({ appliedAt }) => appliedAt === undefined)
  if (pending.length === 0) return ok('migrations', `all ${migrations.length} applied`)
  return warn(
    'migrations',
    `pending: ${pending.map(({ name }) => name).join(', ')}`,
    'make a backup; the next start applies them',
  )
}

async function checkKeys(config: Config, database: Inspection): Promise<Check> {
  const keys = await database.keys()
  if (keys.length === 0) return ok('data keys', 'none yet; the first start makes them')
  if (config.master_key === undefined && !existsSync(masterKeyFile(config.data_dir))) {
    const advice = 'put the master key of this database back'
    return fail('data keys', `there are ${keys.length}, but no master key to open them`, advice)
  }
  try {
    const master = loadMasterKey({ dataDir: config.data_dir, fromConfig: config.master_key })
    for (const { kid, purpose, wrapped } of keys) unwrapKey(master.key, purpose, kid, wrapped)
    return ok('data keys', `the master key opens all ${keys.length}`)
  } catch (error) {
    return fail('data keys', reasonOf(error), 'put the master key of this database back')
  }
}
