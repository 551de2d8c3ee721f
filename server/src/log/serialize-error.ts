import { pino } from 'pino'
import { redactText } from './redact.ts'

/** The serializer for `err`: an error with its causes, in message and stack without secrets. */
export function serializeError(error: unknown): unknown {
  if (typeof error === 'string') return redactText(error)
  if (!(error instanceof Error)) return error
  // Not what else hangs on it: libraries attach whole connections, with the passwords in them.
  const { type, message, stack } = pino.stdSerializers.err(error)
  return { type, message: redactText(message), stack: redactText(stack), ...codesOf(error) }
}

/** What tells errors of one kind from each other: codes of the system, of SQLite and of PostgreSQL. */
function codesOf(error: Error): Record<string, string | number> {
  const codes: Record<string, string | number> = {}
  for (const name of ['code', 'errno', 'errcode', 'syscall', 'constraint'] as const) {
    const value = (error as unknown as Record<string, unknown>)[name]
    if (typeof value === 'string' || typeof value === 'number') codes[name] = value
  }
  return codes
}
