import { redactText } from '#log/redact.ts'

/** One thing that was looked at. */
export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  /** What was found, in a sentence. */
  readonly found: string
  /** What to do about it, unless all is well. */
  readonly advice?: string
}

export function ok(name: string, found: string): Check {
  return { name, status: 'ok', found }
}

export function warn(name: string, found: string, advice: string): Check {
  return { name, status: 'warn', found, advice }
}

export function fail(name: string, found: string, advice: string): Check {
  return { name, status: 'fail', found, advice }
}

/** What an error says, and what the error behind it says; without secrets. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return redactText(error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message)
}
