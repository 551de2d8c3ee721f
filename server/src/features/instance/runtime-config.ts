import { SETTING_PATHS, settingOf, type Config, type SettingPath } from '#config/schema.ts'
import { badRequest, invalid, type FieldProblem } from '#http/errors.ts'
import { fromJson, readSetting } from './change-settings.ts'
import { serverSettings, type ServerSettings } from './settings.ts'

/** A value as control panels show it. */
export type RuntimeValue = string | number | boolean | null | (string | number)[]

/** Shown instead of a secret that is set. */
const MASK = '***'
/** Files, which are uploaded and not named. */
const PICTURES: ReadonlySet<string> = new Set<keyof ServerSettings>(['server_avatar', 'server_banner'])

/** Where known control panels call a server setting otherwise than by its name in capitals. */
const SETTING_KEYS: Partial<Record<keyof ServerSettings, string>> = {
  server_storage_quota: 'STORAGE_ALLOCATED_GB',
}

/** Where they call something of the configuration otherwise than its environment variable. */
const CONFIG_KEYS: Partial<Record<SettingPath, readonly string[]>> = {
  'server.host': ['API_HOST'],
  'server.port': ['API_PORT'],
  'accounts.access_token_minutes': ['JWT_ACCESS_TTL_MINUTES'],
  'accounts.refresh_token_days': ['JWT_REFRESH_TTL_DAYS'],
  'storage.backend': ['STORAGE_PROVIDER'],
  'storage.encrypt': ['STORAGE_SSE_ENABLED'],
  'storage.s3_endpoint': ['S3_ENDPOINT_URL'],
  'storage.s3_bucket': ['S3_BUCKET_NAME'],
  'voice.port': ['RTC_UDP_PORT_MIN', 'RTC_UDP_PORT_MAX'],
  'voice.stun_urls': ['RTC_STUN_SERVERS'],
  'voice.turn_urls': ['TURN_URL'],
  'voice.turn_secret': ['TURN_PASSWORD'],
  'voice.max_participants': ['RTC_MAX_TOTAL_PEERS'],
  'voice.max_channel_participants': ['RTC_MAX_ROOM_PEERS'],
}

/** Server settings by their keys: these can be changed while the server runs. */
const changeableKeys: ReadonlyMap<string, keyof ServerSettings> = new Map(
  (Object.keys(serverSettings.shape) as (keyof ServerSettings)[])
    .filter((name) => !PICTURES.has(name))
    .map((name) => [keyOf(name), name]),
)

/** What clients know a server setting by. */
export function keyOf(name: keyof ServerSettings): string {
  return SETTING_KEYS[name] ?? name.toUpperCase()
}

/** The configuration of the machine by its keys, but for what says where things lie on it. */
const fixedKeys: ReadonlyMap<string, SettingPath> = new Map(
  SETTING_PATHS.filter((path) => !settingOf(path).envOnly)
    .flatMap((path) => keysOf(path).map((key) => [key, path] as const))
    .filter(([key]) => !changeableKeys.has(key)),
)

function keysOf(path: SettingPath): readonly string[] {
  return CONFIG_KEYS[path] ?? [settingOf(path).env.replace(/^PUFFERBLOW_/, '')]
}

/** Everything that is set, by key. Secrets are masked for everybody: they can be written on the machine, never read here. */
export function runtimeConfigOf(config: Config, settings: ServerSettings): Record<string, RuntimeValue> {
  const changeable = Array.from(changeableKeys, ([key, name]) => [key, settings[name]] as const)
  const fixed = Array.from(fixedKeys, ([key, path]) => [key, fixedValue(config, path)] as const)
  return Object.fromEntries([...changeable, ...fixed].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function fixedValue(config: Config, path: SettingPath): RuntimeValue {
  const [section, key] = path.split('.') as [keyof Config, string]
  const value = (config[section] as unknown as Record<string, RuntimeValue | undefined>)[key]
  if (settingOf(path).secret) return value === undefined || value === '' ? '' : MASK
  return value ?? null
}

/**
 * What of `wanted` changes the settings. Keys that do not exist are left out, and so are values of the machine's
 * configuration that are as they were: control panels send back all that they were shown.
 *
 * @throws HttpError 400 when nothing is left, or something is asked that only the machine's configuration can say; 422
 */
export function changeOf(
  wanted: Readonly<Record<string, unknown>>,
  current: Readonly<Record<string, RuntimeValue>>,
): Partial<ServerSettings> {
  const change: Partial<ServerSettings> = {}
  const problems: FieldProblem[] = []
  const fixed: string[] = []
  let known = 0
  for (const [key, value] of Object.entries(wanted)) {
    const name = changeableKeys.get(key)
    if (fixedKeys.has(key) && !isSame(current[key], value)) fixed.push(key)
    if (name || fixedKeys.has(key)) known++
    if (!name) continue
    // Control panels send what was typed into a field: 600 may come as '600'.
    const read = readSetting(name, typeof value === 'string' ? [value, fromJson(value)] : [value])
    if ('problem' in read)
      problems.push({ loc: ['body', 'settings', key], msg: read.problem, type: 'value_error' })
    else if (!isSame(current[key], read.value)) Object.assign(change, { [name]: read.value })
  }
  if (known === 0) throw badRequest('None of the settings is known')
  if (fixed.length > 0) {
    throw badRequest(
      `Set on the machine, in pufferblow.toml or the environment: ${fixed.toSorted().join(', ')}`,
    )
  }
  if (problems.length > 0) throw invalid(problems)
  return change
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}
