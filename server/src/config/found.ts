import { maskValue } from './mask.ts'
import { settingOf, type SettingPath } from './schema.ts'

/** What one source (the file or the environment) says: checked values, and what is wrong with the others. */
export interface Found {
  readonly values: Map<SettingPath, unknown>
  readonly problems: string[]
  readonly warnings: string[]
}

/** An empty {@link Found} to fill. */
export function nothingFound(): Found {
  return { values: new Map(), problems: [], warnings: [] }
}

/** Checks a candidate against its setting and files it as a value or as a problem. `where` starts the message. */
export function take(found: Found, path: SettingPath, candidate: unknown, where: string): void {
  const { kind, secret } = settingOf(path)
  const result = kind.type.safeParse(candidate)
  if (result.success) found.values.set(path, result.data)
  else
    found.problems.push(
      `${where}: found ${secret ? '(hidden)' : literal(candidate)}, allowed is ${kind.allowed}`,
    )
}

/** A value as `pufferblow.toml` would spell it; secrets are masked unless asked for. */
export function showValue(path: SettingPath, value: unknown, { mask = true } = {}): string {
  return literal(mask ? maskValue(path, value) : value)
}

function literal(value: unknown): string {
  if (value === undefined) return '(not set)'
  if (typeof value === 'number') return String(value)
  const shown = Array.isArray(value)
    ? `[${value.map(literal).join(', ')}]`
    : (JSON.stringify(value) ?? typeof value)
  return shown.length > 120 ? `${shown.slice(0, 117)}...` : shown
}
