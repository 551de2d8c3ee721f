import type { Context } from '#context'

/** Who may sign up: anybody, who has an invite, nobody. */
export type Registration = 'open' | 'invite' | 'closed'

/** What holds now: the server setting, else the configuration; a private server is never open. */
export function registrationOf({ config, settings }: Pick<Context, 'config' | 'settings'>): Registration {
  const said = settings.current.registration ?? config.accounts.registration
  return said === 'open' && settings.current.is_private ? 'invite' : said
}
