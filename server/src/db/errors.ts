/** The database cannot serve now: gone, locked, full. Nothing was changed unless `outcomeUnknown`. */
export class DatabaseUnavailableError extends Error {
  /** Seconds after which another try makes sense. */
  readonly retryAfterSeconds: number
  /** The connection broke while committing: the change may or may not be there. */
  readonly outcomeUnknown: boolean

  constructor(
    message: string,
    options: { cause?: unknown; retryAfterSeconds?: number; outcomeUnknown?: boolean } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'DatabaseUnavailableError'
    this.retryAfterSeconds = options.retryAfterSeconds ?? 2
    this.outcomeUnknown = options.outcomeUnknown ?? false
  }
}

/** Whether `error` is a violated unique index or primary key, of `table_column` names if given, on either database. */
export function isUniqueViolation(error: unknown, column?: string): boolean {
  if (!(error instanceof Error)) return false
  const { code, errcode, constraint } = error as { code?: unknown; errcode?: unknown; constraint?: unknown }
  const sqlite = errcode === 2067 || errcode === 1555
  if (!sqlite && code !== '23505') return false
  if (column === undefined) return true
  return sqlite
    ? error.message.includes(`.${column}`)
    : typeof constraint === 'string' && constraint.includes(column)
}

/** PostgreSQL gave up on behalf of another transaction (serialisation failure, deadlock); a new run may succeed. */
export function isSerializationFailure(error: unknown): boolean {
  const code = codeOf(error)
  return code === '40001' || code === '40P01'
}

/** How the driver says, without a code, that a connection is gone. Other errors quote what people typed. */
const LOST =
  /^(Connection terminated|Client has encountered a connection error|Client was closed|timeout expired)/
/** How the pool says that no connection came free in time. */
const EXHAUSTED = 'timeout exceeded when trying to connect'

/** Whether the way to PostgreSQL broke, as opposed to PostgreSQL refusing a statement. */
export function isConnectionLoss(error: unknown): boolean {
  const code = codeOf(error)
  if (code === undefined) return error instanceof Error && LOST.test(error.message)
  // 08: connection exceptions; 57P: shut down or starting up; E…: errors of the operating system
  return code.startsWith('08') || code.startsWith('57P') || /^E[A-Z]+$/.test(code)
}

/** SQLite's primary result codes that say the database, not the statement, is in trouble. */
const SQLITE_TROUBLE: ReadonlySet<number> = new Set([
  5 /* BUSY */, 6 /* LOCKED */, 8 /* READONLY */, 10 /* IOERR */, 11 /* CORRUPT */, 13 /* FULL */,
  14 /* CANTOPEN */,
])

/** 'The database is not there', in any of its forms, as one error; any other error comes back as it is. */
export function asUnavailable(error: unknown): unknown {
  if (error instanceof DatabaseUnavailableError || !(error instanceof Error)) return error
  const { errcode } = error as { errcode?: unknown }
  const code = codeOf(error)
  const trouble =
    typeof errcode === 'number'
      ? SQLITE_TROUBLE.has(errcode & 0xff)
      : // 53: out of resources; 57014: statement timeout
        isConnectionLoss(error) ||
        error.message === EXHAUSTED ||
        isSerializationFailure(error) ||
        code === '57014' ||
        code?.startsWith('53') === true
  return trouble ? new DatabaseUnavailableError('The database is not available', { cause: error }) : error
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
