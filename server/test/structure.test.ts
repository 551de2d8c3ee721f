import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/*
 * Proves that the linter's import rules bite: forbidden and permitted imports are written into a folder of the same
 * layout as ours, and linted there by our own configuration.
 */

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What each folder may import besides itself. Lower ones know nothing of higher ones. */
const layers: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  config: ['lib'],
  keys: ['lib', 'config'],
  log: ['lib', 'config'],
  events: ['lib'],
  db: ['lib', 'events', 'keys'],
  jobs: ['lib', 'log', 'events', 'db'],
  media: ['lib', 'config'],
  storage: ['lib', 'config'],
  sfu: ['lib'],
  http: ['lib', 'config', 'log', 'db'],
  egress: ['lib'],
  backup: ['lib', 'config', 'keys', 'db', 'storage'],
  features: [
    'lib',
    'config',
    'keys',
    'log',
    'events',
    'db',
    'jobs',
    'media',
    'storage',
    'sfu',
    'http',
    'egress',
    'backup',
    'features',
  ],
  gateway: ['lib', 'config', 'log', 'events', 'db', 'jobs', 'http', 'features'],
  cli: [
    'backup',
    'lib',
    'config',
    'keys',
    'log',
    'events',
    'db',
    'jobs',
    'storage',
    'sfu',
    'http',
    'egress',
    'features',
    '#app',
    '#context',
  ],
}
const folders = Object.keys(layers)

interface Line {
  readonly code: string
  readonly allowed: boolean
}

const allowed = (code: string): Line => ({ code, allowed: true })
const forbidden = (code: string): Line => ({ code, allowed: false })

/** An import of each folder, as the table above has it. */
function everyFolder(permitted: readonly string[]): Line[] {
  return folders.map((folder) => {
    const target = folder === 'features' ? '#features/channels/index.ts' : `#${folder}/some-file.ts`
    return { code: `import '${target}'`, allowed: permitted.includes(folder) }
  })
}

const typeOfContext = "import type { Context } from '#context'"
const valueOfContext = "import { createContext } from '#context'"

const fixtures: Readonly<Record<string, readonly Line[]>> = {
  ...Object.fromEntries(
    folders
      .filter((folder) => folder !== 'features')
      .map((folder) => [
        `server/src/${folder}/fixture.ts`,
        [
          ...everyFolder(layers[folder]!),
          allowed("import './neighbour.ts'"),
          forbidden("import '../lib/id.ts'"),
          forbidden("import '#test/server.ts'"),
        ],
      ]),
  ),
  'server/src/features/messages/fixture.ts': [
    ...everyFolder(layers['features']!),
    allowed("import './store.ts'"),
    forbidden("import '#features/channels/store.ts'"),
    forbidden("import '#features/channels/deep/index.ts'"),
    forbidden("import '../channels/index.ts'"),
    forbidden("import type { Row } from '#features/channels/store.ts'"),
    forbidden("export * from '#gateway/hub.ts'"),
    forbidden("await import('#gateway/hub.ts')"),
    allowed(typeOfContext),
    allowed("import { type ContextOptions } from '#context'"),
    forbidden(valueOfContext),
    forbidden("import '#app'"),
    forbidden("import { sql } from 'kysely'"),
    forbidden("import pg from 'pg'"),
  ],
  'server/src/features/messages/search/fixture.ts': [
    allowed("import '../store.ts'"),
    forbidden("import '../../channels/index.ts'"),
    forbidden("import '#features/channels/store.ts'"),
    forbidden("import '#gateway/hub.ts'"),
  ],
  'server/src/db/dialect/fixture.ts': [
    ...everyFolder(layers['db']!),
    allowed("import '../errors.ts'"),
    forbidden("import '../../context.ts'"),
    allowed("import { sql } from 'kysely'"),
    forbidden("import '../../lib/id.ts'"),
    forbidden(typeOfContext),
  ],
  'server/src/gateway/contexts.ts': [
    allowed(typeOfContext),
    forbidden(valueOfContext),
    forbidden("import '#app'"),
  ],
  'server/src/http/contexts.ts': [forbidden(typeOfContext), forbidden("import { sql } from 'kysely'")],
  'server/src/cli/contexts.ts': [
    allowed(valueOfContext),
    allowed("import '#app'"),
    forbidden("import '#features/accounts/store.ts'"),
  ],
  'server/src/context.ts': [
    ...everyFolder(folders.filter((folder) => folder !== 'gateway' && folder !== 'cli')),
    forbidden("import './db/database.ts'"),
    forbidden("import '#features/accounts/store.ts'"),
  ],
  'server/src/app.ts': [
    ...everyFolder(folders.filter((folder) => folder !== 'cli')),
    allowed(typeOfContext),
    forbidden(valueOfContext),
  ],
  'server/src/main.ts': everyFolder(['cli']),
}

describe('the import rules', () => {
  let folder: string
  let complaints: ReadonlyMap<string, ReadonlySet<number>>

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pufferblow-structure-'))
    copyConfiguration(folder)
    for (const [path, lines] of Object.entries(fixtures)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), lines.map(({ code }) => `${code}\n`).join(''))
    }
    complaints = lint(folder)
  })

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(Object.entries(fixtures))('hold in %s', (path, lines) => {
    const refused = complaints.get(path) ?? new Set()
    const wrong = lines.filter((line, index) => line.allowed === refused.has(index + 1))
    expect(wrong).toEqual([])
  })
})

test('the import rules know every folder of the server and every alias', () => {
  const found = readdirSync(join(root, 'server/src'), { withFileTypes: true })
  const present = found.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  expect(present.toSorted()).toEqual(folders.toSorted())

  const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { imports: object }
  const aliases = folders.map((folder) => `#${folder}/*`)
  expect(Object.keys(imports).toSorted()).toEqual([...aliases, '#app', '#context', '#test/*'].toSorted())
})

/** Our rules without those that need types, which fixtures do not have. */
function copyConfiguration(to: string): void {
  const configuration = JSON.parse(readFileSync(join(root, '.oxlintrc.json'), 'utf8')) as { options: object }
  configuration.options = { ...configuration.options, typeAware: false }
  writeFileSync(join(to, '.oxlintrc.json'), JSON.stringify(configuration))
}

/** Lines that the import rules refuse, by file. */
function lint(folder: string): Map<string, Set<number>> {
  const oxlint = join(root, 'node_modules/oxlint/bin/oxlint')
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, '--format', 'json', '.'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { message: string; code?: string; filename: string; labels: { span: { line: number } }[] }[]
  }
  const lines = new Map<string, Set<number>>()
  for (const { message, code, filename, labels } of diagnostics) {
    // What cannot be parsed is not linted either, and would look permitted.
    if (code === undefined) throw new Error(`${filename}: ${message}`)
    if (code !== 'eslint(no-restricted-imports)') continue
    const known = lines.get(filename) ?? new Set()
    lines.set(filename, known.add(labels[0]!.span.line))
  }
  return lines
}
