import { showValue } from './found.ts'
import { SECTIONS, settingOf, type SettingPath } from './schema.ts'

/** The settings that most servers will want to look at, with an example where the default would not help. */
const MAIN: readonly (readonly [path: SettingPath, example?: unknown])[] = [
  ['server.host', '0.0.0.0'],
  ['server.port'],
  ['server.public_origin', 'https://chat.example.org'],
  ['server.trusted_proxies', ['127.0.0.1']],
  ['database.url', 'postgres://pufferblow:password@localhost/pufferblow'],
  ['accounts.registration', 'closed'],
  ['log.level'],
]

/** A `pufferblow.toml` to begin with: the main settings, all commented out. */
export function configTemplate(): string {
  const lines = [
    '# Configuration of PufferBlow. Everything here is optional: remove the # before a setting to change it.',
    '# All settings: pufferblow config manual. What is in effect: pufferblow config show.',
  ]
  let section = ''
  for (const [path, example] of MAIN) {
    const [name = '', key] = path.split('.')
    const { description, env, default: fallback, defaultNote } = settingOf(path)
    if (name !== section) {
      section = name
      lines.push('', `# ${SECTIONS[name as keyof typeof SECTIONS]}`, `[${name}]`)
    }
    lines.push('', `# ${description}`)
    lines.push(`# Default: ${defaultNote ?? showValue(path, fallback)}. Environment: ${env}`)
    lines.push(`#${key} = ${showValue(path, example ?? fallback, { mask: false })}`)
  }
  return `${lines.join('\n')}\n`
}
