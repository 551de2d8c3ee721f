import { Command } from 'commander'
import { startServer } from '#app'
import { loadConfig } from '#config/load.ts'
import { createContext } from '#context'
import { hasOwner } from '#features/instance/index.ts'
import { createLog } from '#log/log.ts'
import { LogTail } from '#log/tail.ts'
import { releaseMemory } from '#lib/release-memory.ts'
import { version } from '#lib/version.ts'
import { dataDirOf, withExamples } from './options.ts'

export function serveCommand(): Command {
  const command = new Command('serve')
    .summary('start the server')
    .description('start the server and keep it running until SIGTERM or SIGINT')
    .action(async (_options: object, self: Command) => serve(dataDirOf(self)))
  return withExamples(command, 'PUFFERBLOW_PORT=8080 pufferblow serve --data-dir /var/lib/pufferblow')
}

async function serve(dataDir: string | undefined): Promise<void> {
  const loaded = loadConfig({ env: process.env, dataDir })
  const { config, warnings, sources } = loaded
  const logTail = new LogTail()
  const log = createLog({ ...config.log, tail: logTail })
  for (const warning of warnings) log.warn(warning)

  // What nobody caught leaves the process in a state nobody knows; the log is told first, without secrets.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an error that nobody caught')
    process.exit(1)
  })
  // Listens before anything is opened, so that a signal during a long migration is not lost.
  const stopRequest = signalled()
  await using ctx = await createContext({
    config,
    log,
    logTail,
    role: 'server',
    onFatal: (reason) => {
      log.fatal({ err: reason }, 'this process cannot go on; stopping')
      process.exitCode = 1
      process.kill(process.pid, 'SIGTERM')
    },
  })
  await using server = await startServer(ctx, {
    originIsDefault: sources['server.public_origin'] === 'default',
  })
  log.info(
    { version, url: server.url, data_dir: config.data_dir, database: ctx.db.dialect },
    'PufferBlow is ready',
  )
  log.info(`API and documentation: ${server.url}/docs`)
  if (!(await hasOwner(ctx.db.read))) {
    log.info(
      config.accounts.registration === 'open'
        ? `Nobody owns this server yet: the first account that signs up does (POST ${server.url}/api/v1/users/signup), ` +
            'or run: npm run pufferblow -- setup'
        : 'Nobody owns this server yet: run npm run pufferblow -- setup',
    )
  }

  // What the start needed and nothing needs any more: some 20 MB.
  setTimeout(releaseMemory, 1000).unref()
  const signal = await stopRequest
  log.info({ signal }, 'stopping')
  await server.stop(config.server.shutdown_seconds * 1000 - 1000)
  log.info('stopped')
}

function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve)
  })
}
