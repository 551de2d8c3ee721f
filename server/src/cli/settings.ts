import { Command } from 'commander'
import {
  changeSettings,
  defaultSettings,
  isSettingName,
  parseSetting,
  type ServerSettings,
} from '#features/instance/index.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { CommandError } from './fail.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

export function settingsCommand(): Command {
  return new Command('settings')
    .summary('see and change what the owner sets')
    .description(
      'see and change server settings, which owners change while the server runs; a running server acts on every ' +
        'change at once. Settings of the machine are in pufferblow.toml, see: pufferblow config',
    )
    .addCommand(listCommand())
    .addCommand(setCommand())
    .addCommand(resetCommand())
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list all server settings')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }, self: Command) => {
      const current = await withCommandContext(
        loadCommandConfig(dataDirOf(self)),
        async (ctx) => ctx.settings.current,
      )
      if (json) return printJson(current)
      printTable(
        ['SETTING', 'VALUE', ''],
        Object.entries(current).map(([name, value]) => [name, JSON.stringify(value), remarkOn(name, value)]),
      )
    })
  return withExamples(command, 'pufferblow settings list')
}

function remarkOn(name: string, value: unknown): string {
  const fallback = defaultSettings[name as keyof ServerSettings]
  return JSON.stringify(fallback) === JSON.stringify(value) ? '' : `default: ${JSON.stringify(fallback)}`
}

function setCommand(): Command {
  const command = new Command('set')
    .description('change server settings')
    .argument('<name=value...>', 'settings and their new values')
    .action(async (assignments: readonly string[], _options: object, self: Command) => {
      const change = Object.assign({}, ...assignments.map(readAssignment)) as Partial<ServerSettings>
      await apply(self, change)
    })
  return withExamples(
    command,
    'pufferblow settings set max_rate_limit_requests=10000',
    'pufferblow settings set "server_name=Book club" rate_limit_duration=1',
  )
}

function resetCommand(): Command {
  const command = new Command('reset')
    .description('give server settings their default values')
    .argument('<name...>', 'settings')
    .action(async (names: readonly string[], _options: object, self: Command) => {
      const unknown = names.find((name) => !isSettingName(name))
      if (unknown !== undefined) throw new CommandError(`there is no setting ${unknown}`)
      await apply(
        self,
        Object.fromEntries(names.map((name) => [name, defaultSettings[name as keyof ServerSettings]])),
      )
    })
  return withExamples(command, 'pufferblow settings reset max_rate_limit_requests')
}

function readAssignment(assignment: string): Partial<ServerSettings> {
  const at = assignment.indexOf('=')
  if (at < 1) throw new CommandError(`'${assignment}' is not of the form name=value`)
  return parseSetting(assignment.slice(0, at), assignment.slice(at + 1))
}

async function apply(command: Command, change: Partial<ServerSettings>): Promise<void> {
  await withCommandContext(loadCommandConfig(dataDirOf(command)), (ctx) => changeSettings(ctx, change))
  for (const [name, value] of Object.entries(change)) print(`${name} is now ${JSON.stringify(value)}`)
}
