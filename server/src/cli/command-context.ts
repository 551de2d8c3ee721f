import { existsSync } from 'node:fs'
import { databaseOptionsOf, loadConfig, type LoadedConfig } from '#config/load.ts'
import { createContext, type Context } from '#context'
import { mayExist, type DatabaseOptions } from '#db/open.ts'
import { EventRelay } from '#events/bridge.ts'
import { masterKeyFile } from '#keys/master-key.ts'
import { createLog, type Log } from '#log/log.ts'
import { CommandError } from './fail.ts'
import { PASSWORD_VARIABLES } from './password.ts'
import { remark } from './print.ts'

/** The configuration, read for a command; what deserves a warning goes to the log. */
export interface CommandConfig extends LoadedConfig {
  readonly log: Log
}

/** @throws ConfigError */
export function loadCommandConfig(dataDir: string | undefined): CommandConfig {
  const env = { ...process.env }
  for (const name of PASSWORD_VARIABLES) delete env[name]
  const loaded = loadConfig({ env, dataDir })
  const log = commandLog(loaded)
  for (const warning of loaded.warnings) log.warn(warning)
  return { ...loaded, log }
}

/** Lines go to standard error, and are few: the level of the file is meant for the server. */
function commandLog({ config, sources }: LoadedConfig): Log {
  return createLog({
    level: sources['log.level'] === 'environment' ? config.log.level : 'warn',
    format: config.log.format,
    destination: {
      isTTY: process.stderr.isTTY,
      write: (line) => void process.stderr.write(line),
    },
  })
}

/** What opens the database, with broken connections in the log. */
export function databaseOptionsFor({ config, log }: CommandConfig): DatabaseOptions {
  return {
    ...databaseOptionsOf(config),
    onError: (error) => log.warn({ err: error }, 'a database connection broke'),
  }
}

/**
 * Runs `work` on the database of the data folder, beside a server if one runs. What it changes acts there at once:
 * it ends when the server has been told.
 *
 * @param options.create make a database where there is none, which otherwise is taken for a mistyped folder
 * @throws CommandError, and what `createContext` throws
 */
export async function withCommandContext<T>(
  loaded: CommandConfig,
  work: (ctx: Context) => Promise<T>,
  options: { create?: true } = {},
): Promise<T> {
  const { config, log } = loaded
  if (!options.create) {
    demandDatabase(loaded)
    demandMasterKey(loaded)
  }
  await using ctx = await createContext({ config, log, role: 'command' })
  await using relay = new EventRelay({ dataDir: config.data_dir, bus: ctx.bus })
  try {
    return await work(ctx)
  } finally {
    if ((await relay.settled()) > 0 && (await ctx.db.isServed())) {
      remark(
        'a server is running that could not be told of the change; restart it to be sure that it acts on it',
      )
    }
  }
}

/** @throws CommandError when there is no database to work on */
export function demandDatabase({ config }: CommandConfig): void {
  if (!mayExist(databaseOptionsOf(config).url))
    throw missing('database', 'make one with: pufferblow setup', config)
}

/** Commands must not make a key: in a mistyped folder it would be taken for the one that opens the database. */
function demandMasterKey({ config }: CommandConfig): void {
  if (config.master_key === undefined && !existsSync(masterKeyFile(config.data_dir))) {
    throw missing('master key', 'put keys/master.key back from a backup', config)
  }
}

function missing(what: string, advice: string, { data_dir }: CommandConfig['config']): CommandError {
  return new CommandError(
    `there is no ${what} in ${data_dir}; ${advice} (or name another folder with --data-dir)`,
  )
}
