import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import type { Profile } from '#features/accounts/index.ts'
import { peopleOf } from './wire.ts'

/** The profiles that are needed to show messages. */
export function authorsOf(
  ctx: Pick<Context, 'profiles'>,
  messages: readonly MessageContent[],
): Promise<Map<string, Profile>> {
  return ctx.profiles.of(peopleOf(messages))
}
