import { randomBytes, scrypt } from 'node:crypto'
import { open } from 'node:fs/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { objectKey, seal, unsealedSize, unseal } from '#storage/sealed.ts'

/*
 * A backup file: a line that says what it is, a line of JSON with how the key is made from the passphrase, then the
 * content, encrypted in chunks like a stored file (see storage/sealed.ts). A file that was cut, altered, put together
 * from two, or opened with another passphrase does not open.
 */

const MAGIC = 'PUFFERBLOW BACKUP 1\n'
const NAME = 'backup/v1'
const SECRET_BYTES = 39
const MAX_HEADER = 4096
/** scrypt (RFC 7914), about a third of a second and 128 MiB. */
const COST = { N: 2 ** 17, r: 8, p: 1 }

const Header = z.strictObject({
  kdf: z.literal('scrypt'),
  N: z
    .int()
    .min(2 ** 14)
    .max(2 ** 20),
  r: z.int().min(1).max(32),
  p: z.int().min(1).max(16),
  salt: z.string().regex(/^[\w-]{22,86}$/),
})

/** It is no backup, was damaged, or the passphrase is another one. */
export class BackupError extends Error {}

const derive = promisify<string, Buffer, number, object, Buffer>(scrypt)

async function secretOf(passphrase: string, { N, r, p, salt }: z.output<typeof Header>): Promise<Buffer> {
  const options = { N, r, p, maxmem: 256 * N * r }
  return derive(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64url'), SECRET_BYTES, options)
}

/** Encrypts the content of a backup as it comes. */
export async function* sealBackup(
  content: AsyncIterable<Uint8Array>,
  passphrase: string,
): AsyncGenerator<Uint8Array> {
  const header = { kdf: 'scrypt' as const, ...COST, salt: randomBytes(16).toString('base64url') }
  const key = objectKey(await secretOf(passphrase, header))
  yield Buffer.from(`${MAGIC}${JSON.stringify(header)}\n`)
  yield* seal(content, key, NAME)
}

/** Decrypts the content of a backup file. @throws BackupError */
export async function* openBackup(file: string, passphrase: string): AsyncGenerator<Uint8Array> {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  const head = Buffer.alloc(Math.min(MAX_HEADER, size))
  await handle.read(head, 0, head.length, 0)
  const text = head.toString('latin1')
  const end = text.indexOf('\n', MAGIC.length)
  if (!text.startsWith(MAGIC) || end === -1) throw new BackupError(`${file} is no backup of PufferBlow`)
  const header = parseHeader(text.slice(MAGIC.length, end))
  if (!header) throw new BackupError(`${file} is no backup that this version can read`)
  const start = end + 1
  const object = {
    ...objectKey(await secretOf(passphrase, header)),
    name: NAME,
    size: unsealedSize(size - start),
  }
  const sealed = handle.createReadStream({ start, highWaterMark: 256 * 1024, autoClose: false })
  try {
    yield* unseal(object, sealed, { start: 0, length: object.size })
  } catch (cause) {
    throw new BackupError(`${file} cannot be opened: it is damaged, or the passphrase is another one`, {
      cause,
    })
  }
}

function parseHeader(text: string): z.output<typeof Header> | undefined {
  try {
    return Header.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
