import type { Context } from '#context'
import { invalidField } from '#http/errors.ts'
import { cleanLine } from '#lib/text.ts'
import { serverSettings, writeSettings } from './settings.ts'

/**
 * Gives the server the name that people see.
 *
 * @throws HttpError 422
 */
export async function renameServer(ctx: Pick<Context, 'db' | 'clock'>, input: string): Promise<string> {
  const name = serverNameOf(input)
  await ctx.db.transact(async (tx) => {
    await writeSettings(tx, { server_name: name }, ctx.clock())
    tx.publish({ type: 'settings.changed' })
  })
  return name
}

/**
 * The name as it will be stored.
 *
 * @throws HttpError 422
 */
export function serverNameOf(input: string): string {
  const name = cleanLine(input)
  if (!serverSettings.shape.server_name.safeParse(name).success) {
    throw invalidField(['body', 'server_name'], 'must have 1 to 100 characters', 'value_error')
  }
  return name
}
