import { pino } from 'pino'
import { redactText } from './redact.ts'

/** The serializer for `err`: an error with its causes, in message and stack without secrets. */
export function serializeError(error: unknown): unknown {
  if (typeof error === 'string') return redactText(error)
  if (!(error instanceof Error)) return error
  const shown = pino.stdSerializers.err(error)
  shown.message = redactText(shown.message)
  shown.stack = redactText(shown.stack)
  return shown
}
