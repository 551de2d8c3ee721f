import { showValue } from './found.ts'
import { databaseUrlOf, type LoadedConfig, type Source } from './load.ts'
import { SECTIONS, SETTING_PATHS, settingOf, type SettingPath } from './schema.ts'

/** One setting as shown to the operator; values are spelled as in `pufferblow.toml`. */
export interface ConfigRow {
  readonly path: SettingPath
  readonly env: string
  readonly value: string
  readonly source: Source
  readonly default: string
  readonly description: string
}

/** Every setting with its value and origin. Secrets are masked unless `mask` is false. */
export function describeConfig(loaded: LoadedConfig, { mask = true } = {}): ConfigRow[] {
  const { config, sources } = loaded
  return SETTING_PATHS.map((path) => {
    const { env, description } = settingOf(path)
    const value = path === 'database.url' ? databaseUrlOf(config) : valueAt(config, path)
    return {
      path,
      env,
      value: showValue(path, value, { mask }),
      source: sources[path],
      default: defaultOf(path),
      description,
    }
  })
}

/** The reference of all settings as a Markdown page. */
export function configManual(): string {
  const sections = Object.entries(SECTIONS).map(([name, about]) =>
    [`## \`[${name}]\``, about, tableOf(SETTING_PATHS.filter((path) => path.startsWith(`${name}.`)))].join(
      '\n\n',
    ),
  )
  return [
    INTRODUCTION,
    ...sections,
    ENVIRONMENT_ONLY,
    tableOf(SETTING_PATHS.filter((path) => settingOf(path).envOnly)),
  ]
    .join('\n\n')
    .concat('\n')
}

const INTRODUCTION = `# Configuration

PufferBlow starts without any configuration. Settings come from the file \`pufferblow.toml\` in the data folder and from
environment variables, which win. An empty variable counts as not set.

A wrong value or an unknown name in the file stops the start with a message that says what is allowed; an unknown
\`PUFFERBLOW_\` variable is only reported. \`pufferblow config show\` prints what is in effect and where it came from.
Keep the file private (\`chmod 600\`) when it holds a secret.

\`\`\`toml
[server]
host = "0.0.0.0"
public_origin = "https://chat.example.org"
trusted_proxies = ["127.0.0.1"]

[accounts]
registration = "closed"
\`\`\``

const ENVIRONMENT_ONLY = `## Environment only

These are needed before the file is found, or do not belong in it.`

function tableOf(paths: readonly SettingPath[]): string {
  const rows = paths.map((path) => {
    const { env, kind, description, secret } = settingOf(path)
    const name = path.slice(path.indexOf('.') + 1)
    const about = secret ? `${description} Secret.` : description
    return [`\`${name}\``, `\`${env}\``, defaultOf(path, '`'), kind.allowed, about]
  })
  const header = ['Setting', 'Environment', 'Default', 'Allowed', 'Meaning']
  return [header, header.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map(cell).join(' | ')} |`)
    .join('\n')
}

/** A bar ends a table cell, and `<path>` would be taken for HTML outside of code. */
function cell(text: string): string {
  const outsideCode = text
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll('<', '&lt;')))
  return outsideCode.join('').replaceAll('|', '\\|')
}

function defaultOf(path: SettingPath, quote = ''): string {
  const { default: value, defaultNote } = settingOf(path)
  return defaultNote ?? `${quote}${showValue(path, value)}${quote}`
}

function valueAt(config: LoadedConfig['config'], path: SettingPath): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], config)
}
