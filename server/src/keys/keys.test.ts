import { execFile } from 'node:child_process'
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { OVERHEAD } from './aead.ts'
import { KeyError, loadMasterKey, masterKeyFile, type KeyErrorReason } from './master-key.ts'
import { openMessage, sealMessage } from './seal.ts'
import { weaknessOf } from './weak-key.ts'
import { unwrapKey, wrapKey } from './wrap.ts'

const folders: string[] = []
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })))

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-keys-'))
  folders.push(folder)
  return folder
}

const newKey = (): KeyObject => createSecretKey(randomBytes(32))
const text = fc.string({ unit: 'binary', maxLength: 200 })
const bytes = fc.uint8Array({ maxLength: 200 })

function keyError(action: () => unknown): KeyError {
  try {
    action()
  } catch (error) {
    if (error instanceof KeyError) return error
    throw error
  }
  throw new Error('no key was refused')
}

/** The same bytes with one bit changed. */
function flip(sealed: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(sealed)
  changed[Math.floor(bit / 8) % changed.length]! ^= 1 << (bit % 8)
  return changed
}

describe('the master key file', () => {
  test('is created once, private, as one line of base64', () => {
    const dataDir = join(newFolder(), 'data')
    const first = loadMasterKey({ dataDir })
    const second = loadMasterKey({ dataDir })
    expect([first.created, second.created]).toEqual([true, false])
    expect([first.source, second.source]).toEqual(['file', 'file'])
    expect(second.key.equals(first.key)).toBe(true)
    expect(readFileSync(masterKeyFile(dataDir), 'utf8')).toMatch(/^[A-Za-z\d+/]{43}=\n$/)
    expect(first.key.export().toString('base64')).toBe(readFileSync(masterKeyFile(dataDir), 'utf8').trim())
    expect(statSync(masterKeyFile(dataDir)).mode & 0o777).toBe(0o600)
    expect(statSync(join(dataDir, 'keys')).mode & 0o777).toBe(0o700)
    expect(readdirSync(join(dataDir, 'keys'))).toEqual(['master.key'])
  })

  test('is the same for processes that start at the same time', async () => {
    const dataDir = newFolder()
    const module = JSON.stringify(join(import.meta.dirname, 'master-key.ts'))
    // All wait for the same moment, so that they meet in the middle of creating the file.
    const at = Date.now() + 700
    const script = `
      const { loadMasterKey } = await import(${module})
      while (Date.now() < ${at});
      const { key, created } = loadMasterKey({ dataDir: ${JSON.stringify(dataDir)} })
      console.log(created, key.export().toString('hex'))`
    const start = (): Promise<{ stdout: string }> =>
      promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script])
    const answers = (await Promise.all(Array.from({ length: 6 }, start))).map(({ stdout }) =>
      stdout.trim().split(' '),
    )
    expect(answers.filter(([created]) => created === 'true')).toHaveLength(1)
    expect(new Set(answers.map(([, key]) => key)).size).toBe(1)
    expect(readdirSync(join(dataDir, 'keys'))).toEqual(['master.key'])
  })

  test.each([0o640, 0o604, 0o660, 0o777])('with mode %o is refused', (mode) => {
    const dataDir = newFolder()
    loadMasterKey({ dataDir })
    chmodSync(masterKeyFile(dataDir), mode)
    const error = keyError(() => loadMasterKey({ dataDir }))
    expect(error.reason).toBe('exposed')
    expect(error.message).toContain(`chmod 600 ${masterKeyFile(dataDir)}`)
  })

  test('is never replaced, even when it is no good', () => {
    const dataDir = newFolder()
    mkdirSync(join(dataDir, 'keys'))
    writeFileSync(masterKeyFile(dataDir), '', { mode: 0o600 })
    expect(keyError(() => loadMasterKey({ dataDir })).reason).toBe('invalid')
    expect(readFileSync(masterKeyFile(dataDir), 'utf8')).toBe('')
  })

  test('that cannot be created is told with its path', () => {
    const dataDir = newFolder()
    writeFileSync(join(dataDir, 'keys'), '')
    const error = keyError(() => loadMasterKey({ dataDir }))
    expect(error.reason).toBe('unreadable')
    expect(error.message).toContain(masterKeyFile(dataDir))
  })
})

describe('a master key from the configuration', () => {
  test('is used as it is, and no file is made', () => {
    const dataDir = newFolder()
    const raw = randomBytes(32)
    const { key, created, source } = loadMasterKey({ dataDir, fromConfig: ` ${raw.toString('base64')}\n` })
    expect(key.export()).toEqual(raw)
    expect([created, source]).toEqual([false, 'config'])
    expect(existsSync(masterKeyFile(dataDir))).toBe(false)
  })

  test.each<[string, KeyErrorReason, string]>([
    ['nothing', 'invalid', ''],
    ['31 bytes', 'invalid', randomBytes(31).toString('base64')],
    ['33 bytes', 'invalid', randomBytes(33).toString('base64')],
    ['hexadecimal', 'invalid', randomBytes(32).toString('hex')],
    ['not base64', 'invalid', '*'.repeat(44)],
    ['base64 that goes on', 'invalid', `${randomBytes(32).toString('base64')}AAAA`],
    ['zeros', 'known', Buffer.alloc(32).toString('base64')],
    ['equal bytes', 'known', Buffer.alloc(32, 0xa5).toString('base64')],
    ['0 to 31', 'known', Buffer.from(Array.from({ length: 32 }, (_, i) => i)).toString('base64')],
    ['255 downwards', 'known', Buffer.from(Array.from({ length: 32 }, (_, i) => 255 - i)).toString('base64')],
    ['a repeated pattern', 'known', Buffer.alloc(32, Buffer.from('deadbeef', 'hex')).toString('base64')],
    ['text', 'known', Buffer.from('changeme-changeme-please-change!').toString('base64')],
  ])('%s is refused', (_, reason, fromConfig) => {
    const error = keyError(() => loadMasterKey({ dataDir: '/nowhere', fromConfig }))
    expect(error.reason).toBe(reason)
    expect(error.message).toContain('openssl rand -base64 32')
    if (fromConfig !== '') expect(error.message).not.toContain(fromConfig)
  })

  test('random bytes are not taken for a weak key', () => {
    for (let i = 0; i < 2000; i++) expect(weaknessOf(randomBytes(32))).toBeUndefined()
  })
})

describe('a wrapped key', () => {
  test('comes back unchanged', () => {
    const master = newKey()
    fc.assert(
      fc.property(text, text, bytes, (purpose, kid, secret) => {
        const wrapped = wrapKey(master, purpose, kid, secret)
        expect(wrapped.length).toBe(secret.length + OVERHEAD)
        expect(new Uint8Array(unwrapKey(master, purpose, kid, wrapped))).toEqual(secret)
      }),
    )
  })

  test('opens for nothing else', () => {
    const master = newKey()
    fc.assert(
      fc.property(text, text, text, text, (purpose, kid, otherPurpose, otherKid) => {
        fc.pre(purpose !== otherPurpose || kid !== otherKid)
        const wrapped = wrapKey(master, purpose, kid, randomBytes(32))
        expect(keyError(() => unwrapKey(master, otherPurpose, otherKid, wrapped)).reason).toBe('mismatch')
      }),
    )
    const wrapped = wrapKey(master, 'ab', 'c', randomBytes(32))
    expect(keyError(() => unwrapKey(master, 'a', 'bc', wrapped)).reason).toBe('mismatch')
  })

  test('with any bit changed, or cut short, does not open', () => {
    const master = newKey()
    const wrapped = wrapKey(master, 'messages', 'k1', randomBytes(32))
    for (let bit = 0; bit < wrapped.length * 8; bit++) {
      expect(keyError(() => unwrapKey(master, 'messages', 'k1', flip(wrapped, bit))).reason).toBe('mismatch')
    }
    for (let length = 0; length < wrapped.length; length++) {
      expect(keyError(() => unwrapKey(master, 'messages', 'k1', wrapped.subarray(0, length))).reason).toBe(
        'mismatch',
      )
    }
  })

  test('does not open with another master key, and the error says so', () => {
    const wrapped = wrapKey(newKey(), 'messages', 'k1', randomBytes(32))
    expect(keyError(() => unwrapKey(newKey(), 'messages', 'k1', wrapped)).message).toMatch(
      /master key does not belong to this database.*messages key k1/,
    )
  })

  test('is not sealed with the master key itself', () => {
    const master = newKey()
    const wrapped = wrapKey(master, 'messages', 'k1', randomBytes(32))
    const aad = JSON.stringify(['pufferblow/wrap/v1', 'messages', 'k1'])
    expect(keyError(() => openMessage(master, wrapped, aad)).reason).toBe('mismatch')
  })
})

describe('a sealed message', () => {
  test('comes back unchanged', () => {
    const key = newKey()
    fc.assert(
      fc.property(text, text, (plaintext, aad) => {
        const sealed = sealMessage(key, plaintext, aad)
        expect(sealed.length).toBe(Buffer.byteLength(plaintext) + OVERHEAD)
        expect(openMessage(key, sealed, aad)).toBe(plaintext)
        // The database hands out plain byte arrays.
        expect(openMessage(key, new Uint8Array(sealed), aad)).toBe(plaintext)
      }),
    )
  })

  test('with any bit changed does not open', () => {
    const key = newKey()
    fc.assert(
      fc.property(text, fc.nat(), (plaintext, bit) => {
        const sealed = sealMessage(key, plaintext, 'm1')
        expect(keyError(() => openMessage(key, flip(sealed, bit), 'm1')).reason).toBe('mismatch')
      }),
      { numRuns: 500 },
    )
  })

  test('does not open in another place or with another key', () => {
    const key = newKey()
    fc.assert(
      fc.property(text, text, text, (plaintext, aad, otherAad) => {
        fc.pre(aad !== otherAad)
        const sealed = sealMessage(key, plaintext, aad)
        expect(keyError(() => openMessage(key, sealed, otherAad)).reason).toBe('mismatch')
        expect(keyError(() => openMessage(newKey(), sealed, aad)).reason).toBe('mismatch')
      }),
    )
  })

  test('never has the nonce of another, also beyond the supply made in advance', () => {
    const key = newKey()
    const nonces = Array.from({ length: 3000 }, () => sealMessage(key, 'x', '').toString('hex', 1, 13))
    expect(new Set(nonces).size).toBe(nonces.length)
  })
})
