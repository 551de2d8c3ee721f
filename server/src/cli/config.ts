import { Command } from 'commander'
import { configManual, describeConfig } from '#config/describe.ts'
import { ConfigError, databaseUrlOf, type LoadedConfig } from '#config/load.ts'
import { maskValue } from '#config/mask.ts'
import type { SettingPath } from '#config/schema.ts'
import { loadCommandConfig } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

export function configCommand(): Command {
  return new Command('config')
    .description('look at the configuration')
    .addCommand(showCommand())
    .addCommand(checkCommand())
    .addCommand(manualCommand())
}

function showCommand(): Command {
  const command = new Command('show')
    .description('print every setting with its value and where that comes from; secrets are masked')
    .option('--json', 'print JSON')
    .action((options: { json?: true }, self: Command) => show(dataDirOf(self), options))
  return withExamples(command, 'pufferblow config show', 'pufferblow config show --json')
}

function show(dataDir: string | undefined, { json }: { json?: true }): void {
  const loaded = loadCommandConfig(dataDir)
  const rows = describeConfig(loaded)
  if (json) {
    printJson({
      file: loaded.file,
      file_exists: loaded.fileExists,
      settings: rows.map(({ path, env, source, default: fallback, description }) => ({
        path,
        value: shownValue(loaded, path),
        source,
        env,
        default: fallback,
        description,
      })),
    })
    return
  }
  print(`# ${loaded.file}${loaded.fileExists ? '' : ' (does not exist)'}`)
  printTable(
    ['SETTING', 'VALUE', 'FROM'],
    rows.map(({ path, env, value, source }) => [path, value, source === 'environment' ? env : source]),
  )
}

/** The value as JSON has it, with secrets masked; null when it is not set. */
function shownValue({ config }: LoadedConfig, path: SettingPath): unknown {
  const [section, key] = path.split('.') as [keyof typeof config, string | undefined]
  const value = key === undefined ? config[section] : (config[section] as Record<string, unknown>)[key]
  return maskValue(path, path === 'database.url' ? databaseUrlOf(config) : value) ?? null
}

function checkCommand(): Command {
  const command = new Command('check')
    .description('say everything that is wrong with the configuration; exit code 1 if anything is')
    .option('--json', 'print JSON')
    .action((options: { json?: true }, self: Command) => check(dataDirOf(self), options))
  return withExamples(command, 'pufferblow config check && systemctl restart pufferblow')
}

function check(dataDir: string | undefined, { json }: { json?: true }): void {
  let loaded: LoadedConfig
  try {
    loaded = loadCommandConfig(dataDir)
  } catch (error) {
    if (!json || !(error instanceof ConfigError)) throw error
    printJson({ ok: false, problems: error.problems, warnings: [] })
    process.exitCode = 1
    return
  }
  const { file, fileExists, warnings } = loaded
  if (json) return printJson({ ok: true, problems: [], warnings })
  print(
    fileExists
      ? `The configuration is valid: ${file} and the environment`
      : `The configuration is valid; there is no ${file}`,
  )
}

function manualCommand(): Command {
  const command = new Command('manual')
    .description('print the reference of all settings as Markdown')
    .action(() => void process.stdout.write(configManual()))
  return withExamples(command, 'pufferblow config manual | less')
}
