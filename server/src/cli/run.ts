import { Command } from 'commander'
import { version } from '#lib/version.ts'
import { backupCommand, restoreCommand } from './backup.ts'
import { blockedIpsCommand } from './blocked-ips.ts'
import { configCommand } from './config.ts'
import { doctorCommand } from './doctor.ts'
import { failWith } from './fail.ts'
import { federationCommand } from './federation.ts'
import { jobsCommand } from './jobs.ts'
import { inviteCommand } from './invite.ts'
import { migrateCommand } from './migrate.ts'
import { migrateDatabaseCommand } from './migrate-database.ts'
import { openApiCommand } from './openapi.ts'
import { searchCommand } from './search.ts'
import { serveCommand } from './serve.ts'
import { settingsCommand } from './settings.ts'
import { setupCommand } from './setup.ts'
import { storageCommand } from './storage.ts'
import { userCommand } from './user.ts'
import { versionCommand } from './version.ts'

/** Runs the command line; ends with exit code 0, 1 (it failed) or 2 (it was called wrongly). */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync([...argv])
  } catch (error) {
    failWith(error)
  }
}

function program(): Command {
  const root = new Command('pufferblow')
    .description('Self-hosted, federated community chat server')
    .version(version, '-V, --version', 'print the version alone')
    .helpOption('-h, --help', 'explain the command')
    .option('--data-dir <folder>', 'data folder (default: PUFFERBLOW_DATA_DIR or ./data)')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()
  const commands = [
    serveCommand(),
    setupCommand(),
    userCommand(),
    federationCommand(),
    blockedIpsCommand(),
    inviteCommand(),
    settingsCommand(),
    configCommand(),
    backupCommand(),
    restoreCommand(),
    doctorCommand(),
    jobsCommand(),
    migrateCommand(),
    migrateDatabaseCommand(),
    storageCommand(),
    searchCommand(),
    openApiCommand(),
    versionCommand(),
  ]
  for (const command of commands) root.addCommand(inheriting(root, command))
  return root
}

/** Commands that are made apart do not take over how their parent ends and explains itself. */
function inheriting(parent: Command, command: Command): Command {
  command.copyInheritedSettings(parent)
  for (const child of command.commands) inheriting(command, child)
  return command
}
