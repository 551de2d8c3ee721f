import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  type KeyObject,
} from 'node:crypto'
import type { Clock } from '#lib/clock.ts'
import { newId } from '#lib/id.ts'
import { unwrapKey, wrapKey } from '#keys/wrap.ts'
import type { Database, Db } from './database.ts'

const purposes = [
  'message',
  'access_token',
  'refresh_token',
  'federation',
  'cluster',
  'file',
  'file_link',
  'search',
  'web_push',
] as const
/** What a data key is for. Keys of different purposes never stand in for each other. */
export type KeyPurpose = (typeof purposes)[number]

/** Purposes whose key is a private one, that signs. */
const signing: ReadonlySet<KeyPurpose> = new Set(['access_token', 'web_push'])

/** Purposes whose key is replaced from time to time; the others stay until somebody asks. */
const replaced = ['message', 'file'] as const

export interface DataKey {
  readonly kid: string
  /** A secret key; for `access_token` a private key of Ed25519, for `web_push` one of P-256. */
  readonly key: KeyObject
  readonly createdAt: number
}

export interface SigningKey extends DataKey {
  readonly publicKey: KeyObject
}

/** What is new uses a key no longer than this, which keeps random nonces far from their bound of 2^32 uses. */
const KEY_MS = 30 * 24 * 3600 * 1000

/**
 * The data keys: kept in the database, wrapped by the master key, so that every process of a server has them and
 * a copy of the database alone tells nothing.
 */
export class Keyring {
  readonly #db: Database
  readonly #master: KeyObject
  readonly #clock: Clock
  readonly #keys = new Map<string, DataKey>()
  readonly #inUse = new Map<KeyPurpose, DataKey>()

  private constructor(db: Database, master: KeyObject, clock: Clock) {
    this.#db = db
    this.#master = master
    this.#clock = clock
  }

  /**
   * Loads all keys and makes those that are missing.
   *
   * @throws KeyError when the master key is not the one the keys were wrapped with
   */
  static async open(db: Database, master: KeyObject, clock: Clock): Promise<Keyring> {
    const keyring = new Keyring(db, master, clock)
    await keyring.#load(db.read)
    const missing = purposes.filter((purpose) => !keyring.#inUse.has(purpose))
    if (missing.length > 0) await keyring.#create(missing)
    await keyring.rotate()
    return keyring
  }

  /** The key for what is written now. */
  current(purpose: KeyPurpose): DataKey {
    return this.#inUse.get(purpose)!
  }

  /** The key that `kid` names, also a retired one. @returns undefined if there is none */
  byId(kid: string): DataKey | undefined {
    return this.#keys.get(kid)
  }

  /** Like {@link byId}, but looks into the database for a key that another process made meanwhile. */
  async find(kid: string): Promise<DataKey | undefined> {
    const known = this.#keys.get(kid)
    if (known) return known
    await this.#load(this.#db.read)
    return this.#keys.get(kid)
  }

  /** Learns of keys that another process has made. */
  async reload(): Promise<void> {
    await this.#load(this.#db.read)
  }

  signing(): SigningKey {
    return asSigningKey(this.current('access_token'))
  }

  /** Retires the keys that encrypt data when their time is over, and takes new ones. @returns whether it did */
  async rotate(): Promise<boolean> {
    const due = replaced.filter((purpose) => this.#clock() - this.current(purpose).createdAt >= KEY_MS)
    for (const purpose of due) await this.replace(purpose)
    return due.length > 0
  }

  /** Retires the key in use and takes a new one. What the old one encrypted stays readable. */
  async replace(purpose: 'message' | 'file' | 'search'): Promise<DataKey> {
    const { kid } = this.current(purpose)
    await this.#db.transact((tx) =>
      tx.updateTable('encryption_key').set({ retired_at: this.#clock() }).where('kid', '=', kid).execute(),
    )
    await this.#create([purpose])
    return this.current(purpose)
  }

  /** Removes a retired key for good: what was made with it is lost. */
  async destroy(kid: string): Promise<void> {
    await this.#db.transact((tx) =>
      tx.deleteFrom('encryption_key').where('kid', '=', kid).where('retired_at', 'is not', null).execute(),
    )
    this.#keys.delete(kid)
  }

  /** If another process was faster, its keys are as good. */
  async #create(missing: readonly KeyPurpose[]): Promise<void> {
    const rows = missing.map((purpose) => {
      const kid = newId(this.#clock())
      const wrapped = wrapKey(this.#master, purpose, kid, newSecret(purpose))
      return { kid, purpose, wrapped, created_at: this.#clock(), retired_at: null }
    })
    await this.#db.transact((tx) =>
      tx
        .insertInto('encryption_key')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute(),
    )
    await this.#load(this.#db.read)
  }

  async #load(db: Db): Promise<void> {
    const rows = await db.selectFrom('encryption_key').selectAll().orderBy('created_at').execute()
    for (const { kid, purpose, wrapped, created_at, retired_at } of rows) {
      const known = this.#keys.get(kid) ?? {
        kid,
        key: openKey(purpose as KeyPurpose, unwrapKey(this.#master, purpose, kid, wrapped)),
        createdAt: created_at,
      }
      this.#keys.set(kid, known)
      if (retired_at === null) this.#inUse.set(purpose as KeyPurpose, known)
    }
  }
}

export function asSigningKey(key: DataKey): SigningKey {
  return { ...key, publicKey: createPublicKey(key.key) }
}

function openKey(purpose: KeyPurpose, secret: Buffer): KeyObject {
  return signing.has(purpose)
    ? createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })
    : createSecretKey(secret)
}

function newSecret(purpose: KeyPurpose): Buffer {
  if (!signing.has(purpose)) return randomBytes(32)
  const { privateKey } =
    purpose === 'web_push'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('ed25519')
  return privateKey.export({ format: 'der', type: 'pkcs8' })
}
