import { nothingFound, take, type Found } from './found.ts'
import { nearest } from './nearest.ts'
import { SETTING_PATHS, settingOf, type SettingPath } from './schema.ts'

/** Environment variables, as in `process.env`. */
export type Env = Readonly<Record<string, string | undefined>>

const PREFIX = 'PUFFERBLOW_'
const PATH_OF = new Map<string, SettingPath>(SETTING_PATHS.map((path) => [settingOf(path).env, path]))

/**
 * Reads the variables which start with `PUFFERBLOW_`. An empty one counts as absent, as orchestrators pass on
 * variables that nobody filled in. An unknown one is only a warning: they also set names of other versions.
 */
export function readEnv(env: Env): Found {
  const found = nothingFound()
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(PREFIX)) continue
    const path = PATH_OF.get(name)
    const text = value?.trim()
    if (path === undefined) found.warnings.push(unknownVariable(name))
    else if (text)
      take(found, path, settingOf(path).kind.fromText(text), `environment variable ${name} (${path})`)
  }
  return found
}

function unknownVariable(name: string): string {
  // Compare without the prefix, which all have in common and which would make everything look near.
  const short = nearest(
    name.slice(PREFIX.length),
    [...PATH_OF.keys()].map((known) => known.slice(PREFIX.length)),
  )
  return `environment variable ${name} is unknown and ignored${short ? `; did you mean ${PREFIX}${short}?` : ''}`
}
