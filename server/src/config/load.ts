import { isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import { ConfigError } from './error.ts'
import { readEnv, type Env } from './read-env.ts'
import { readFile } from './read-file.ts'
import { SETTING_PATHS, settingOf, type Config, type SettingPath } from './schema.ts'

export { ConfigError } from './error.ts'

/** Who had the last word on a setting; `argument` is a data folder given by the caller. */
export type Source = 'default' | 'file' | 'environment' | 'argument'

/** The settings, and how they came about. */
export interface LoadedConfig {
  readonly config: Config
  readonly sources: Readonly<Record<SettingPath, Source>>
  /** What deserves a line in the log but does not stop the start. */
  readonly warnings: readonly string[]
  /** Where the configuration file is or would be. */
  readonly file: string
  readonly fileExists: boolean
}

/** What {@link loadConfig} needs: the environment, and a data folder that overrides the one named there. */
export interface LoadOptions {
  readonly env: Env
  readonly dataDir?: string | undefined
}

/**
 * Works out the configuration: defaults, overridden by `<data_dir>/pufferblow.toml`, overridden by the environment.
 *
 * @throws {ConfigError} naming everything that is wrong, in the file and in the environment
 */
export function loadConfig({ env, dataDir }: LoadOptions): LoadedConfig {
  const fromEnv = readEnv(env)
  const dataDirFromEnv = fromEnv.values.get('data_dir') as string | undefined
  const folder = resolve(dataDir ?? dataDirFromEnv ?? (settingOf('data_dir').default as string))
  const file = configFile(folder)
  const fromFile = readFile(file)

  const problems = [...fromFile.problems, ...fromEnv.problems]
  if (problems.length > 0) throw new ConfigError(problems)

  const values = {} as Record<SettingPath, unknown>
  const sources = {} as Record<SettingPath, Source>
  for (const path of SETTING_PATHS) {
    sources[path] = fromEnv.values.has(path) ? 'environment' : fromFile.values.has(path) ? 'file' : 'default'
    values[path] = fromEnv.values.get(path) ?? fromFile.values.get(path) ?? settingOf(path).default
  }
  if (dataDir !== undefined) sources.data_dir = 'argument'
  values.data_dir = folder
  values['server.public_origin'] ||= originOf(
    values['server.host'] as string,
    values['server.port'] as number,
  )

  return Object.freeze({
    config: nest(values),
    sources: Object.freeze(sources),
    warnings: Object.freeze([...fromFile.warnings, ...fromEnv.warnings]),
    file,
    fileExists: fromFile.exists,
  })
}

/**
 * The origin under which a listener answers when no public one is set. A server on port 0 calls this again with the
 * port it was given.
 */
export function originOf(host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : isIPv6(host) ? `[${host}]` : host
  return new URL(`http://${name}:${port}`).origin
}

/** The configuration file of a data folder, whether there is one or not. */
export function configFile(dataDir: string): string {
  return join(dataDir, 'pufferblow.toml')
}

/** The database to open: the configured URL, or the SQLite file in the data folder. */
export function databaseUrlOf(config: Pick<Config, 'data_dir' | 'database'>): string {
  return config.database.url || `sqlite:${join(config.data_dir, 'db', 'pufferblow.sqlite')}`
}

/** How the configured database is opened, in the words of `db/`. */
export function databaseOptionsOf(config: Pick<Config, 'data_dir' | 'database'>): {
  url: string
  cacheMb: number
  poolSize: number
  statementTimeoutMs: number
} {
  const { cache_mb, pool_size, statement_timeout_ms } = config.database
  return {
    url: databaseUrlOf(config),
    cacheMb: cache_mb,
    poolSize: pool_size,
    statementTimeoutMs: statement_timeout_ms,
  }
}

/** Turns `{ 'server.port': 1 }` into `{ server: { port: 1 } }`, frozen through and through. */
function nest(values: Record<SettingPath, unknown>): Config {
  const nested: Record<string, unknown> = {}
  for (const path of SETTING_PATHS) {
    const value = Array.isArray(values[path]) ? Object.freeze([...values[path]]) : values[path]
    const [first = path, key] = path.split('.')
    if (key === undefined) nested[first] = value
    else ((nested[first] ??= {}) as Record<string, unknown>)[key] = value
  }
  for (const section of Object.values(nested)) Object.freeze(section)
  return Object.freeze(nested) as Config
}
