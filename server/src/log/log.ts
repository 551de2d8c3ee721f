import { createRequire } from 'node:module'
import { pino } from 'pino'
import type { prettyFactory as PrettyFactory } from 'pino-pretty'
import type { Config } from '#config/schema.ts'
import { redactLine } from './redact.ts'
import { maskSecretKeys } from './secret-keys.ts'
import { serializeError } from './serialize-error.ts'
import type { LogTail } from './tail.ts'

/** The logger that is passed around: `log.info({ channelId }, 'channel created')`. */
export type Log = pino.Logger

/** Where lines go, one call per line. */
export type LogDestination = pino.DestinationStream & { readonly isTTY?: boolean }

/** How to log; without a destination, to standard output. */
export interface LogOptions {
  readonly level: Config['log']['level']
  readonly format: Config['log']['format']
  readonly destination?: LogDestination
  /** Remembers the newest lines, as JSON whatever the format. */
  readonly tail?: LogTail
}

/**
 * Creates the logger of the server. Lines are written at once and in this thread: the last words before a crash are
 * the ones that matter. Every line is redacted, whatever was logged and however.
 */
export function createLog({ level, format, destination, tail }: LogOptions): Log {
  const terminal = (destination ?? process.stdout).isTTY === true
  const output = destination ?? pino.destination({ dest: 1, sync: true })
  const pretty = format === 'pretty' || (format === 'auto' && terminal)
  const written = pretty ? prettyStream(output, { colorize: terminal }) : output
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => maskSecretKeys(fields) },
      serializers: { err: serializeError },
      hooks: { streamWrite: redactLine },
    },
    tail ? both(tail, written) : written,
  )
}

/** The tail first: what is written may be the last words of the process. */
function both(tail: LogTail, output: LogDestination): LogDestination {
  return {
    write: (line) => {
      tail.add(line)
      output.write(line)
    },
  }
}

/** pino-pretty as a function, without its stream and worker thread. */
function prettyStream(output: LogDestination, { colorize }: { colorize: boolean }): LogDestination {
  // Loaded only where somebody looks.
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as {
    prettyFactory: typeof PrettyFactory
  }
  const prettify = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' })
  return { write: (line) => output.write(prettify(line)) }
}
