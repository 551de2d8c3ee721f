import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { parse, TomlError, type TomlTable } from 'smol-toml'
import { nothingFound, take, type Found } from './found.ts'
import { carriesSecret } from './mask.ts'
import { nearest } from './nearest.ts'
import { SECTIONS, SETTING_PATHS, SETTINGS, settingOf, type SettingPath } from './schema.ts'

/** What the configuration file says; `exists` is false, and the rest empty, when there is none. */
export interface FoundInFile extends Found {
  readonly exists: boolean
}

/** Reads `pufferblow.toml`. Unknown sections and keys are problems: a mistyped setting must not be skipped silently. */
export function readFile(file: string): FoundInFile {
  const found = nothingFound()
  const source = readSource(file, found)
  if (source === undefined) return { ...found, exists: found.problems.length > 0 }

  const table = parseToml(source.text, file, found)
  for (const [name, value] of Object.entries(table ?? {})) {
    if (!Object.hasOwn(SECTIONS, name)) found.problems.push(unknownAtTop(file, name))
    else if (!isTable(value)) found.problems.push(`${file}: ${name} is a section, write it as [${name}]`)
    else takeSection(found, file, name, value)
  }

  const open = process.platform !== 'win32' && (source.mode & 0o077) !== 0
  const secrets = [...found.values]
    .filter(([path, value]) => carriesSecret(path, value))
    .map(([path]) => path)
  if (open && secrets.length > 0) {
    found.warnings.push(
      `${file} holds a secret (${secrets.join(', ')}) but others may read it; run: chmod 600 ${file}`,
    )
  }
  return { ...found, exists: true }
}

function readSource(file: string, found: Found): { text: string; mode: number } | undefined {
  let handle: number | undefined
  try {
    handle = openSync(file, 'r')
    return { text: readFileSync(handle, 'utf8'), mode: fstatSync(handle).mode }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') found.problems.push(`${file}: cannot be read (${code ?? 'unknown error'})`)
    return undefined
  } finally {
    if (handle !== undefined) closeSync(handle)
  }
}

function parseToml(text: string, file: string, found: Found): TomlTable | undefined {
  try {
    return parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // Only the first line of the message: the others quote the file, and with it perhaps a secret.
    const [reason = ''] = error.message.split('\n')
    found.problems.push(`${file}, line ${error.line}, column ${error.column}: ${reason}`)
    return undefined
  }
}

function takeSection(found: Found, file: string, section: string, table: TomlTable): void {
  for (const [key, value] of Object.entries(table)) {
    const path = `${section}.${key}`
    if (isPath(path)) take(found, path, value, `${file}: ${path}`)
    else found.problems.push(`${file}: unknown setting ${path}${didYouMean(nearestPath(path, key))}`)
  }
}

function unknownAtTop(file: string, name: string): string {
  if (isPath(name) && settingOf(name).envOnly) {
    return `${file}: ${name} cannot be set in the file, use the environment variable ${settingOf(name).env}`
  }
  const section = nearest(name, Object.keys(SECTIONS))
  const suggestion = section === undefined ? nearestPath(name, name) : `[${section}]`
  return `${file}: unknown section or setting ${name}${didYouMean(suggestion)}`
}

/** The path most like the one given; else one whose last part is: people forget which section a setting is in. */
function nearestPath(path: string, key: string): string | undefined {
  const inFile = SETTING_PATHS.filter((known) => !settingOf(known).envOnly)
  const lastPart = (known: string): string => known.slice(known.indexOf('.') + 1)
  const byKey = inFile.find((known) => lastPart(known) === key)
  if (byKey !== undefined) return byKey
  const byPath = nearest(path, inFile)
  if (byPath !== undefined) return byPath
  const last = nearest(key, inFile.map(lastPart))
  return inFile.find((known) => lastPart(known) === last)
}

function didYouMean(name: string | undefined): string {
  return name === undefined ? '' : `; did you mean ${name}?`
}

function isPath(path: string): path is SettingPath {
  return Object.hasOwn(SETTINGS, path)
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
