import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import { recordActivity } from '#features/stats/index.ts'
import { invalid } from '#http/errors.ts'
import { cleanLine, cleanText } from '#lib/text.ts'
import { serverSettings, writeSettings, type ServerSettings } from './settings.ts'

/**
 * Changes what the owner may change while the server runs. It is in force when this returns.
 *
 * @param by whose doing it is; null for the operator of the machine
 */
export async function changeSettings(
  ctx: Pick<Context, 'db' | 'clock' | 'settings'>,
  change: Partial<ServerSettings>,
  by: string | null = null,
): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const at = ctx.clock()
    await writeSettings(tx, change, at)
    recordAudit(tx, {
      actorId: by,
      action: 'settings.changed',
      targetType: 'server',
      targetId: 'server',
      details: { settings: change },
      at,
    })
    for (const [field, value] of Object.entries(change)) {
      const details = { field, new_value: value, setting_type: typeof value }
      recordActivity(tx, { type: 'server_settings_updated', userId: by, details, at })
    }
    tx.publish({ type: 'settings.changed' })
  })
  await ctx.settings.reload()
}

/**
 * Reads a setting from text, as the command line has it: JSON, or a plain word.
 *
 * @throws HttpError 422 for a name that does not exist, or a value that is not allowed
 */
export function parseSetting(name: string, text: string): Partial<ServerSettings> {
  if (!isSettingName(name)) {
    throw invalid([{ loc: ['body', name], msg: 'there is no such setting', type: 'value_error' }])
  }
  const read = readSetting(name, [fromJson(text), text])
  if ('problem' in read) throw invalid([{ loc: ['body', name], msg: read.problem, type: 'value_error' }])
  return { [name]: read.value }
}

/**
 * The value of a setting, or what is wrong with it.
 *
 * @param candidates what may be meant, the likeliest first
 */
export function readSetting(
  name: keyof ServerSettings,
  candidates: readonly unknown[],
): { readonly value: unknown } | { readonly problem: string } {
  const schema = serverSettings.shape[name]
  const read = candidates.map((value) => schema.safeParse(tidy(name, value)))
  const good = read.find(({ success }) => success)
  if (good) return { value: good.data }
  // What is of the right type but not allowed says more than what is of the wrong one.
  const issues = read.flatMap(({ error }) => error?.issues ?? [])
  return { problem: (issues.find(({ code }) => code !== 'invalid_type') ?? issues[0]!).message }
}

/** Text as it is stored: without what shows nothing. An empty description or greeting is none. */
export function tidy(name: string, value: unknown): unknown {
  if (typeof value !== 'string') return value
  switch (name) {
    case 'server_name':
      return cleanLine(value)
    case 'server_description':
      return cleanLine(value) || null
    case 'welcome_message':
      return cleanText(value).trim() || null
    default:
      return value
  }
}

/** Text as JSON, or as it is. */
export function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

/** Whether there is a setting of this name. */
export function isSettingName(name: string): name is keyof ServerSettings {
  return Object.hasOwn(serverSettings.shape, name)
}
