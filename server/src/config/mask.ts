import { settingOf, type SettingPath } from './schema.ts'

const MASK = '***'

/**
 * The value as it may be shown. What is not secret, or has nothing to hide (an SQLite path, an empty token), comes
 * back unchanged. The URL of a database keeps everything but its password.
 */
export function maskValue(path: SettingPath, value: unknown): unknown {
  if (!settingOf(path).secret || value === undefined || value === '') return value
  const isUrl = path === 'database.url' || path === 'redis.url'
  if (isUrl && typeof value === 'string') return maskDatabaseUrl(value)
  return MASK
}

/** Whether the value has something to hide. */
export function carriesSecret(path: SettingPath, value: unknown): boolean {
  return maskValue(path, value) !== value
}

/** Replaces the password of a database URL, be it before the host or among the parameters. */
export function maskDatabaseUrl(url: string): string {
  if (/^(sqlite|unix):/.test(url)) return url
  if (!URL.canParse(url)) return MASK
  const parsed = new URL(url)
  const parameters = [...parsed.searchParams.keys()].filter((name) => /pass/i.test(name))
  if (parsed.password === '' && parameters.length === 0) return url
  if (parsed.password !== '') parsed.password = MASK
  for (const name of parameters) parsed.searchParams.set(name, MASK)
  return parsed.href
}
