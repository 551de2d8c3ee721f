import { createCipheriv, createDecipheriv, createSecretKey, randomBytes, type KeyObject } from 'node:crypto'
import { giveBack } from '#lib/give-back.ts'

/*
 * Encrypted objects. The content is cut into chunks of 64 KiB, each sealed with AES-256-GCM, in the STREAM
 * construction (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and its Nonce-Reuse
 * Misuse-Resistance", CRYPTO 2015): a nonce is the prefix of the object, the number of the chunk, and whether it is the
 * last one. So a chunk can be opened without the others, which ranges need, and one that is missing at the end, moved,
 * repeated or taken from another object does not open.
 *
 *   object = sealed chunk …               sealed chunk = ciphertext (at most 65536) | tag (16)
 *   nonce  = prefix (7) | number of the chunk, big-endian (4) | 1 for the last, else 0 (1)
 *
 * Key and prefix are random and the object's own. The associated data is its name. There is always a last chunk, if
 * need be an empty one.
 */

const CIPHER = 'aes-256-gcm'
const CHUNK = 64 * 1024
const TAG = 16
const KEY = 32
const PREFIX = 7

/** Bytes of a sealed chunk: reads of a multiple of it, from the start, need not be put together again. */
export const SEALED_CHUNK = CHUNK + TAG

/** The content of an object was changed, cut, or belongs to another key or name. */
export class SealBrokenError extends Error {
  constructor(name: string, options?: ErrorOptions) {
    super(`the object ${name} was altered or damaged`, options)
    this.name = 'SealBrokenError'
  }
}

/** What seals one object and opens it again. */
export interface ObjectKey {
  readonly key: KeyObject
  readonly prefix: Uint8Array
}

/** Random bytes from which {@link objectKey} makes the key of one object. */
export function newObjectSecret(): Buffer {
  return randomBytes(KEY + PREFIX)
}

export function objectKey(secret: Uint8Array): ObjectKey {
  if (secret.length !== KEY + PREFIX) throw new Error('the secret of an object has the wrong length')
  return { key: createSecretKey(secret.subarray(0, KEY)), prefix: secret.slice(KEY) }
}

/** How many bytes an object takes whose content has `size` bytes. */
export function sealedSize(size: number): number {
  return size + TAG * chunksOf(size)
}

/** How many bytes the content of an object has that takes `size` bytes: the inverse of {@link sealedSize}. */
export function unsealedSize(size: number): number {
  return Math.max(0, size - TAG * Math.ceil(size / SEALED_CHUNK))
}

function chunksOf(size: number): number {
  return Math.max(1, Math.ceil(size / CHUNK))
}

/**
 * Encrypts content as it comes. What it yields is good until the next is asked for, and no more is asked of `content`.
 */
export async function* seal(
  content: AsyncIterable<Uint8Array>,
  { key, prefix }: ObjectKey,
  name: string,
): AsyncGenerator<Buffer> {
  const aad = associatedData(name)
  // A chunk waits until something follows it: only then is it known not to be the last.
  const { held, sealed } = spare.pop() ?? {
    held: Buffer.allocUnsafeSlow(CHUNK),
    sealed: Buffer.allocUnsafeSlow(SEALED_CHUNK),
  }
  let heldBytes = 0
  let number = 0
  for await (let piece of content) {
    while (piece.length > 0) {
      if (heldBytes === CHUNK) {
        const nonce = nonceOf(prefix, number++, { last: false })
        yield sealChunk(held, { key, nonce, aad }, sealed)
        heldBytes = 0
      }
      const taken = piece.subarray(0, CHUNK - heldBytes)
      held.set(taken, heldBytes)
      heldBytes += taken.length
      piece = piece.subarray(taken.length)
    }
  }
  const nonce = nonceOf(prefix, number, { last: true })
  yield sealChunk(held.subarray(0, heldBytes), { key, nonce, aad }, sealed)
  // Only here is it certain that nobody reads the last piece any more.
  if (spare.length < MAX_SPARE) spare.push({ held, sealed })
}

/** Memory to gather and to seal chunks in, for whoever comes next: most objects are small and there are many. */
const spare: { readonly held: Buffer; readonly sealed: Buffer }[] = []
const MAX_SPARE = 16

function sealChunk(
  chunk: Buffer,
  { key, nonce, aad }: { key: KeyObject; nonce: Buffer; aad: Buffer },
  into: Buffer,
): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG }).setAAD(aad)
  const ciphertext = cipher.update(chunk)
  cipher.final()
  into.set(ciphertext)
  into.set(cipher.getAuthTag(), ciphertext.length)
  if (ciphertext.length === ciphertext.buffer.byteLength) giveBack(ciphertext.buffer)
  return into.subarray(0, chunk.length + TAG)
}

/** A part of an object's content. */
export interface Range {
  readonly start: number
  readonly length: number
}

/**
 * Which bytes of an object hold a part of its content.
 *
 * @param size of the content
 */
export function sealedRange(size: number, { start, length }: Range): Range {
  const first = firstChunk(size, start)
  const last = Math.min(Math.floor(Math.max(start, start + length - 1) / CHUNK), chunksOf(size) - 1)
  const from = first * SEALED_CHUNK
  return { start: from, length: Math.min((last + 1) * SEALED_CHUNK, sealedSize(size)) - from }
}

function firstChunk(size: number, start: number): number {
  return Math.min(Math.floor(start / CHUNK), chunksOf(size) - 1)
}

/** An encrypted object: what opens it, and how many bytes its content has. */
export interface SealedObject extends ObjectKey {
  readonly name: string
  readonly size: number
}

/**
 * Decrypts a part of an object's content. What it yields is good until the next is asked for.
 *
 * @param sealed the bytes that {@link sealedRange} names
 * @throws SealBrokenError
 */
export async function* unseal(
  object: SealedObject,
  sealed: AsyncIterable<Uint8Array>,
  range: Range,
): AsyncGenerator<Buffer> {
  const first = firstChunk(object.size, range.start)
  let skip = range.start - first * CHUNK
  let left = range.length
  for await (const content of openChunks(object, sealed, first)) {
    const wanted = content.subarray(skip, skip + left)
    skip = 0
    left -= wanted.length
    if (wanted.length > 0) yield wanted
  }
  if (left > 0) throw new SealBrokenError(object.name)
}

async function* openChunks(
  { key, prefix, name, size }: SealedObject,
  sealed: AsyncIterable<Uint8Array>,
  first: number,
): AsyncGenerator<Buffer> {
  const aad = associatedData(name)
  const count = chunksOf(size)
  let number = first
  for await (const chunk of inPieces(sealed, SEALED_CHUNK)) {
    const last = number === count - 1
    const expected = last ? size - number * CHUNK + TAG : SEALED_CHUNK
    if (number >= count || chunk.length !== expected) throw new SealBrokenError(name)
    const content = openChunk(chunk, { key, nonce: nonceOf(prefix, number, { last }), aad, name })
    try {
      yield content
    } finally {
      if (content.length === content.buffer.byteLength) giveBack(content.buffer)
    }
    number++
  }
  // Nothing at all is a cut, too: even empty content has a chunk.
  if (number === first) throw new SealBrokenError(name)
}

/** Only what was found genuine is returned. */
function openChunk(
  chunk: Uint8Array,
  { key, nonce, aad, name }: { key: KeyObject; nonce: Buffer; aad: Buffer; name: string },
): Buffer {
  const end = chunk.length - TAG
  const decipher = createDecipheriv(CIPHER, key, nonce, { authTagLength: TAG }).setAAD(aad)
  decipher.setAuthTag(chunk.subarray(end))
  const content = decipher.update(chunk.subarray(0, end))
  try {
    decipher.final()
  } catch (cause) {
    throw new SealBrokenError(name, { cause })
  }
  return content
}

/** Cuts or joins what comes into pieces of `size`, each good until the next is asked for; the last may be shorter. */
async function* inPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let gathered: Buffer | undefined
  let filled = 0
  for await (let piece of source) {
    while (piece.length > 0) {
      if (filled === 0 && piece.length >= size) {
        yield piece.subarray(0, size)
        piece = piece.subarray(size)
        continue
      }
      gathered ??= Buffer.allocUnsafeSlow(size)
      const taken = piece.subarray(0, size - filled)
      gathered.set(taken, filled)
      filled += taken.length
      piece = piece.subarray(taken.length)
      if (filled < size) continue
      yield gathered
      filled = 0
    }
  }
  if (filled > 0) yield gathered!.subarray(0, filled)
}

function nonceOf(prefix: Uint8Array, number: number, { last }: { last: boolean }): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.set(prefix)
  nonce.writeUInt32BE(number, PREFIX)
  nonce[11] = last ? 1 : 0
  return nonce
}

function associatedData(name: string): Buffer {
  return Buffer.from(`pufferblow/object/v1/${name}`)
}
