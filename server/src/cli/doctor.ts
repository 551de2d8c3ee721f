import { Command } from 'commander'
import { ConfigError } from '#config/load.ts'
import { databaseOptionsFor, loadCommandConfig } from './command-context.ts'
import { checkBackups } from './doctor/backups.ts'
import { fail, ok, type Check } from './doctor/check.ts'
import { checkDatabase } from './doctor/database.ts'
import { checkDataFolder, checkMasterKey } from './doctor/files.ts'
import { checkClock, checkDiskSpace, checkNode, checkOpenFiles } from './doctor/machine.ts'
import { checkOrigin, checkPort, checkRedis } from './doctor/network.ts'
import { checkStorage } from './doctor/storage.ts'
import { checkVoice } from './doctor/voice.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson } from './print.ts'

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .summary('look for what could keep the server from working')
    .description(
      'look for what could keep the server from working, also while it runs; exit code 1 if anything does',
    )
    .option('--json', 'print JSON')
    .action((options: { json?: true }, self: Command) => doctor(dataDirOf(self), options))
  return withExamples(command, 'pufferblow doctor', 'pufferblow doctor --json')
}

async function doctor(dataDir: string | undefined, { json }: { json?: true }): Promise<void> {
  const checks = [checkNode(), checkClock(new Date()), checkOpenFiles(), ...(await checkConfigured(dataDir))]
  const healthy = checks.every(({ status }) => status !== 'fail')
  if (json) printJson({ ok: healthy, checks })
  else printChecks(checks)
  if (!healthy) process.exitCode = 1
}

/** What depends on the configuration, when there is one to depend on. */
async function checkConfigured(dataDir: string | undefined): Promise<Check[]> {
  let loaded: ReturnType<typeof loadCommandConfig>
  try {
    loaded = loadCommandConfig(dataDir)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [fail('configuration', error.problems.join('; '), 'correct it; then run this again for the rest')]
  }
  const { config, file, fileExists } = loaded
  return [
    ok('configuration', fileExists ? file : `${file} does not exist; defaults and the environment count`),
    ...checkDataFolder(config),
    checkMasterKey(config),
    checkDiskSpace(config.data_dir),
    await checkPort(loaded),
    checkOrigin(loaded),
    ...(await checkVoice(loaded)),
    ...(await checkRedis(config)),
    ...(await checkStorage(config)),
    ...(await checkDatabase(config, databaseOptionsFor(loaded))),
    ...(await checkBackups(config, Date.now())),
  ]
}

function printChecks(checks: readonly Check[]): void {
  for (const { name, status, found, advice } of checks) {
    print(`${status.padEnd(4)}  ${name}: ${found}`)
    if (advice !== undefined) print(`      → ${advice}`)
  }
  const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length
  print(`\n${count('ok')} ok, ${count('warn')} warnings, ${count('fail')} failures`)
}
