import { CommanderError } from 'commander'
import { BackupError } from '#backup/envelope.ts'
import { ConfigError } from '#config/load.ts'
import { AlreadyRunningError } from '#db/dialect/sqlite.ts'
import { DatabaseUnavailableError } from '#db/errors.ts'
import { NewerDatabaseError } from '#db/migrate.ts'
import { UnfinishedMoveError } from '#db/transfer/ledger.ts'
import { NotEmptyError } from '#db/transfer/load.ts'
import { MoveError } from '#db/transfer/move.ts'
import { HttpError } from '#http/errors.ts'
import { KeyError } from '#keys/master-key.ts'
import { redactText } from '#log/redact.ts'
import { StorageUnavailableError } from '#storage/blob-store.ts'

/** Something the operator can put right; said in one line, without a stack. */
export class CommandError extends Error {}

/** Says why the program could not do what it was asked and sets the exit code. */
export function failWith(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2
    return
  }
  process.stderr.write(`pufferblow: ${redactText(explain(error))}\n`)
  process.exitCode = 1
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error instanceof HttpError) return error.detail
  if (error instanceof DatabaseUnavailableError) return withCause(error)
  if (error instanceof StorageUnavailableError) return withCause(error)
  const expected = [
    ConfigError,
    KeyError,
    NewerDatabaseError,
    AlreadyRunningError,
    CommandError,
    BackupError,
    NotEmptyError,
    MoveError,
    UnfinishedMoveError,
  ]
  if (expected.some((kind) => error instanceof kind)) return error.message
  const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  // PostgreSQL refuses the user (28) or has no such database (3D).
  if (code !== undefined && /^(28|3D)...$/.test(code)) return `PostgreSQL: ${error.message}`
  if (code === 'EADDRINUSE')
    return `${address} port ${port} is already in use; choose another one with PUFFERBLOW_PORT`
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'EROFS' || code === 'ENOSPC')
    return error.message
  return error.stack ?? error.message
}

function withCause(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
