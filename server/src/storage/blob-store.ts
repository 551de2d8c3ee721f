import { randomBytes } from 'node:crypto'

/** Where objects can be. */
export type StoreKind = 'disk' | 's3'

/** An object as a listing shows it. */
export interface StoredObject {
  readonly name: string
  /** Bytes as stored, which for an encrypted object are more than its content has. */
  readonly size: number
  readonly modifiedAt: number
}

/**
 * Keeps objects: bytes under a name that never changes its content. Names are random (see {@link newObjectName}), so
 * that whoever removes an old object can never meet somebody who just wrote a new one.
 */
export interface BlobStore extends AsyncDisposable {
  readonly kind: StoreKind

  /**
   * Writes an object. It is there as a whole, and stays there through a power cut, when the promise resolves; when it
   * rejects, there is nothing, or what {@link BlobStore.delete} removes.
   *
   * @param content a piece is good until the next one is asked for
   * @param mayAppear waited for before the object is there under its name
   * @throws StorageUnavailableError, and what `content` throws
   */
  write(name: string, content: AsyncIterable<Uint8Array>, mayAppear?: Promise<unknown>): Promise<void>

  /**
   * Reads `length` bytes from `start` on, in pieces, each of them good until the next one is asked for or reading is
   * ended. They end early only if the object does.
   *
   * @throws ObjectMissingError, StorageUnavailableError before the first piece or between two
   */
  read(name: string, start: number, length: number): AsyncIterable<Uint8Array>

  /** @returns undefined if there is no such object */
  stat(name: string): Promise<StoredObject | undefined>

  /** Removes an object and whatever a write that broke off has left of it. Removing it twice is no error. */
  delete(name: string): Promise<void>

  /**
   * Removes what writes have left that broke off so early that nobody knows of them.
   *
   * @param before what was touched later may still be written
   * @returns how many bytes that frees
   */
  discardUnfinished(before: number, options: { dryRun: boolean }): Promise<number>

  /** Every object, in no particular order. What was not written to its end is not among them. */
  list(): AsyncIterable<StoredObject>

  /** Whether it serves, and can take more. Answers, or throws, within a few seconds. @throws StorageUnavailableError */
  ping(): Promise<void>
}

/** There is no object of this name. */
export class ObjectMissingError extends Error {
  constructor(name: string, options?: ErrorOptions) {
    super(`the object ${name} is missing`, options)
    this.name = 'ObjectMissingError'
  }
}

/** The store cannot serve now: gone, full, refusing. */
export class StorageUnavailableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StorageUnavailableError'
  }
}

const NAME = /^[0-9a-f]{32}$/

const DAY = 24 * 3600 * 1000
/** Digits of a name that say on which day it was made. */
const DAY_DIGITS = 4

/**
 * A name for a new object: the day, and 112 random bits, in hexadecimal. The day makes objects of one time lie together,
 * where one flush of their folder serves many.
 *
 * @param now milliseconds since the epoch
 */
export function newObjectName(now: number = Date.now()): string {
  const day = (Math.floor(now / DAY) & 0xffff).toString(16).padStart(DAY_DIGITS, '0')
  return day + randomBytes(14).toString('hex')
}

/** The part of a name that objects of the same day have in common. */
export function dayOf(name: string): string {
  return name.slice(0, DAY_DIGITS)
}

/** Whether `text` may name an object of ours; a store may hold other things beside them. */
export function isObjectName(text: string): boolean {
  return NAME.test(text)
}
