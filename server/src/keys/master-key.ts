import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { closeSync, fstatSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createPrivateFile } from './create-file.ts'
import { KeyError } from './error.ts'
import { weaknessOf } from './weak-key.ts'

export { KeyError, type KeyErrorReason } from './error.ts'

const KEY_BYTES = 32

/** The master key and where it came from; `created` says that it is new and wants a backup. */
export interface MasterKey {
  readonly key: KeyObject
  readonly created: boolean
  readonly source: 'config' | 'file'
}

/** The file of the master key: one line of base64, readable by its owner only. */
export function masterKeyFile(dataDir: string): string {
  return join(dataDir, 'keys', 'master.key')
}

/**
 * Takes the master key from the configuration, else from its file, which is created at the first start. Processes
 * that start at the same time end up with the same key.
 *
 * @throws {KeyError} if there is a key, but not one to rely on
 */
export function loadMasterKey({
  dataDir,
  fromConfig,
}: {
  dataDir: string
  fromConfig?: string | undefined
}): MasterKey {
  if (fromConfig !== undefined) {
    return { key: parseKey(fromConfig, 'The configured master key'), created: false, source: 'config' }
  }
  const file = masterKeyFile(dataDir)
  try {
    const existing = readKeyText(file)
    const created =
      existing === undefined && createPrivateFile(file, `${randomBytes(KEY_BYTES).toString('base64')}\n`)
    // Read back what is there: it may be the key of a process which was faster.
    const text = existing ?? readKeyText(file) ?? ''
    return { key: parseKey(text, `The master key in ${file}`), created, source: 'file' }
  } catch (cause) {
    if (cause instanceof KeyError) throw cause
    const { code } = cause as NodeJS.ErrnoException
    throw new KeyError('unreadable', `The master key ${file} can be neither read nor created (${code})`, {
      cause,
    })
  }
}

/**
 * Takes a key back that was just made for a database which, as it turned out, has another one.
 *
 * @returns what to tell the operator
 */
export function withdrawMasterKey(dataDir: string): KeyError {
  const file = masterKeyFile(dataDir)
  rmSync(file, { force: true })
  return new KeyError(
    'missing',
    `The master key ${file} is missing, and nothing in this database can be read without it: put it back from a backup`,
  )
}

/**
 * The master key in base64, for a backup: whoever has it can read everything.
 *
 * @throws {KeyError} if there is none, or not one to rely on
 */
export function masterKeyText({
  dataDir,
  fromConfig,
}: {
  dataDir: string
  fromConfig?: string | undefined
}): string {
  const text = fromConfig ?? readKeyText(masterKeyFile(dataDir))
  if (text === undefined) throw new KeyError('missing', `There is no master key in ${dataDir}`)
  parseKey(text, 'The master key')
  return text.trim()
}

/**
 * Takes over the master key of a backup. A key that is there already must be the same.
 *
 * @throws {KeyError} if another key is there
 */
export function installMasterKey(
  { dataDir, fromConfig }: { dataDir: string; fromConfig?: string | undefined },
  text: string,
): void {
  parseKey(text, 'The master key of the backup')
  if (fromConfig === undefined) createPrivateFile(masterKeyFile(dataDir), `${text}\n`)
  if (masterKeyText({ dataDir, fromConfig }) !== text) {
    throw new KeyError('mismatch', 'Another master key is there already: restore into an empty data folder')
  }
}

function readKeyText(file: string): string | undefined {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    // Ask the open file, not its name, so that the file judged is the file read.
    const { mode } = fstatSync(handle)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new KeyError('exposed', `The master key ${file} is open to other users; run: chmod 600 ${file}`)
    }
    return readFileSync(handle, 'latin1')
  } finally {
    closeSync(handle)
  }
}

function parseKey(text: string, subject: string): KeyObject {
  const encoded = text.trim()
  const bytes = Buffer.from(encoded, 'base64')
  // Node skips what it does not understand; a key that changes on the way there and back was not base64.
  if (encoded === '' || bytes.toString('base64') !== encoded) {
    throw new KeyError('invalid', `${subject} is not base64; ${HOW_TO_MAKE_ONE}`)
  }
  if (bytes.length !== KEY_BYTES) {
    throw new KeyError(
      'invalid',
      `${subject} has ${bytes.length} bytes instead of ${KEY_BYTES}; ${HOW_TO_MAKE_ONE}`,
    )
  }
  const weakness = weaknessOf(bytes)
  if (weakness !== undefined)
    throw new KeyError('known', `${subject} can be guessed: ${weakness}; ${HOW_TO_MAKE_ONE}`)
  return createSecretKey(bytes)
}

const HOW_TO_MAKE_ONE = 'make one with: openssl rand -base64 32'
