import type { Context } from '#context'
import { invalidField } from '#http/errors.ts'
import { cleanLine } from '#lib/text.ts'
import { changeSettings } from './change-settings.ts'
import { serverSettings } from './settings.ts'

/**
 * Gives the server the name that people see.
 *
 * @throws HttpError 422
 */
export async function renameServer(
  ctx: Pick<Context, 'db' | 'clock' | 'settings'>,
  input: string,
): Promise<string> {
  const name = serverNameOf(input)
  await changeSettings(ctx, { server_name: name })
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
