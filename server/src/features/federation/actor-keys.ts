import { createPrivateKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { Context } from '#context'
import { isUniqueViolation } from '#db/errors.ts'
import type { FederationKeyTable } from '#db/tables.ts'
import { decrypt, encrypt } from '#keys/aead.ts'
import { newId } from '#lib/id.ts'
import { Lru } from '#lib/lru.ts'
import { Semaphore } from '#lib/semaphore.ts'
import { insertKeys, keysInUse } from './store/keys.ts'

/** A key pair of a person, or of the server. */
export interface ActorKey {
  /** SPKI, PEM. */
  readonly publicKey: string
  readonly privateKey: KeyObject
}

/** RSA is what everybody can check; Ed25519 is what those ask for who can do better. */
export interface ActorKeyPairs {
  readonly rsa: ActorKey
  readonly ed25519: ActorKey
}

type Algorithm = keyof ActorKeyPairs

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

type Deps = Pick<Context, 'db' | 'keyring' | 'clock' | 'bus'>

const REMEMBERED = 1000
const WAITING = 500
const generate = promisify(generateKeyPair)

/**
 * The keys that sign what leaves this server. Made when somebody first needs them, kept in the database under a data
 * key, and in memory as long as they are used.
 */
export class ActorKeys implements Disposable {
  readonly #ctx: Deps
  readonly #known = new Lru<string, Promise<ActorKeyPairs>>(REMEMBERED)
  /** To find an RSA key takes a core for up to half a second. */
  readonly #making = new Semaphore(1, WAITING)

  /** Made ahead once somebody needed one: the first message of the next person does not wait for it. */
  #spare: Promise<KeyPair> | undefined
  readonly #unsubscribe: () => void

  constructor(ctx: Deps) {
    this.#ctx = ctx
    this.#unsubscribe = ctx.bus.subscribe(({ event }) => {
      if (event.type === 'federation_keys.changed') this.#known.clear()
    })
  }

  /** @param ownerId id of a user, or of this server */
  of(ownerId: string): Promise<ActorKeyPairs> {
    const known = this.#known.get(ownerId)
    if (known) return known
    const pairs = this.#load(ownerId)
    this.#known.set(ownerId, pairs)
    pairs.catch(() => this.#known.delete(ownerId))
    return pairs
  }

  [Symbol.dispose](): void {
    this.#unsubscribe()
  }

  async #load(ownerId: string): Promise<ActorKeyPairs> {
    let rows = await keysInUse(this.#ctx.db.read, ownerId)
    if (rows.length === 0) {
      await this.#making.run(() => this.#make(ownerId))
      rows = await keysInUse(this.#ctx.db.read, ownerId)
    }
    const [rsa, ed25519] = (['rsa', 'ed25519'] as const).map((algorithm) =>
      rows.find((row) => row.algorithm === algorithm),
    )
    if (!rsa || !ed25519) throw new Error(`keys of ${ownerId} are missing`)
    return { rsa: await this.#open(rsa), ed25519: await this.#open(ed25519) }
  }

  async #make(ownerId: string): Promise<void> {
    const rsa = this.#spare ?? generateRsa()
    this.#spare = undefined
    await this.adopt(ownerId, { rsa: await rsa, ed25519: await generate('ed25519', {}) })
    this.#spare = generateRsa()
    // Who takes it hears of the failure.
    this.#spare.catch(() => undefined)
  }

  /** Takes key pairs for those of somebody who has none yet. */
  async adopt(ownerId: string, { rsa, ed25519 }: Readonly<Record<Algorithm, KeyPair>>): Promise<void> {
    const rows = [this.#row(ownerId, 'rsa', rsa), this.#row(ownerId, 'ed25519', ed25519)]
    try {
      await this.#ctx.db.transact((tx) => insertKeys(tx, rows))
    } catch (error) {
      // Another process was faster; its keys are as good.
      if (!isUniqueViolation(error)) throw error
    }
  }

  #row(ownerId: string, algorithm: Algorithm, pair: KeyPair): FederationKeyTable {
    const now = this.#ctx.clock()
    const id = newId(now)
    const { kid, key } = this.#ctx.keyring.current('federation')
    const secret = pair.privateKey.export({ format: 'der', type: 'pkcs8' })
    return {
      id,
      owner_id: ownerId,
      algorithm,
      public_key: pair.publicKey.export({ format: 'pem', type: 'spki' }),
      kid,
      sealed: encrypt(key, secret, associatedData(id, ownerId)),
      created_at: now,
      retired_at: null,
    }
  }

  async #open(row: FederationKeyTable): Promise<ActorKey> {
    const key = await this.#ctx.keyring.find(row.kid)
    if (!key) throw new Error(`the data key ${row.kid} is missing`)
    const secret = decrypt(key.key, row.sealed, associatedData(row.id, row.owner_id))
    const privateKey = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' })
    return { publicKey: row.public_key, privateKey }
  }
}

function generateRsa(): Promise<KeyPair> {
  return generate('rsa', { modulusLength: 2048 })
}

/** Ties a sealed key to its owner: rows cannot be swapped. */
function associatedData(id: string, ownerId: string): string {
  return `federation-key/v1/${id}/${ownerId}`
}
