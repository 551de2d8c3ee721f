import type { SearchLanguage } from '#config/schema.ts'
import type { Database, Tx } from '#db/database.ts'
import type { Keyring } from '#db/keyring.ts'
import type { Bus } from '#events/bus.ts'
import type { AttachedFile } from '#events/events.ts'
import { unavailable } from '#http/errors.ts'
import type { Clock } from '#lib/clock.ts'
import { QueueFullError, Semaphore } from '#lib/semaphore.ts'
import type { Log } from '#log/log.ts'
import { Blinder } from './blinder.ts'
import { kindsIn } from './content-kinds.ts'
import type { Expression } from './expression.ts'
import { loadStemmers, type Stemmer } from './stemmers.ts'
import {
  hasMessages,
  insertGeneration,
  listGenerations,
  type Found,
  type Generation,
  type IndexEntry,
  type Range,
  type SearchStore,
} from './store.ts'
import { PostgresSearchStore } from './store.postgres.ts'
import { SqliteSearchStore } from './store.sqlite.ts'
import { wordsOf } from './words.ts'

/** Of the rules by which text becomes words. To be counted up when they change: everything is indexed again then. */
const RULES_VERSION = 1
/** Searches at once, and how many more may wait. */
const WIDTH = 4
const QUEUE = 64
/** Searches of one person at once: a client that searches while one types has a few under way. */
const PER_PERSON = 4

/** What the index has to know of a message. */
export interface IndexedMessage {
  readonly id: string
  readonly channelId: string
  readonly senderId: string
  readonly sentAt: number
  readonly text: string
  readonly files: readonly Pick<AttachedFile, 'kind' | 'name'>[]
}

interface Deps {
  readonly db: Database
  readonly bus: Bus
  readonly keyring: Keyring
  readonly clock: Clock
  readonly log: Log
  readonly languages: readonly SearchLanguage[]
}

/** The index of all that was ever said: takes messages in, finds them again. Never keeps a word in clear. */
export class SearchIndex {
  readonly store: SearchStore
  readonly #deps: Deps
  readonly #stemmers: readonly Stemmer[]
  readonly #turns = new Semaphore(WIDTH, QUEUE)
  readonly #asking = new Map<string, number>()
  #generation!: Generation
  #blinder!: Blinder
  /** Of all keys that messages are indexed with: several while a key is being replaced. */
  #blinders: ReadonlyMap<string, Blinder> = new Map()

  private constructor(deps: Deps, store: SearchStore, stemmers: readonly Stemmer[]) {
    this.#deps = deps
    this.store = store
    this.#stemmers = stemmers
  }

  static async open(deps: Deps): Promise<SearchIndex> {
    const { db, log } = deps
    const store =
      db.dialect === 'sqlite'
        ? new SqliteSearchStore(db, (error) => log.warn({ err: error }, 'messages could not be indexed yet'))
        : new PostgresSearchStore(db)
    const index = new SearchIndex(deps, store, await loadStemmers(deps.languages))
    await index.reload()
    deps.bus.subscribe(({ event }) => {
      if (event.type !== 'search.changed' && event.type !== 'events.missed') return
      index
        .reload()
        .catch((error: unknown) => log.error({ err: error }, 'the search index could not be looked at'))
    })
    return index
  }

  /** What messages are indexed with now. */
  get generation(): Generation {
    return this.#generation
  }

  /** Takes up the key and the rules that are in use. When they are new, everything is to be indexed again. */
  async reload(): Promise<void> {
    const { db, keyring, clock, languages } = this.#deps
    await keyring.reload()
    const { kid } = keyring.current('search')
    const rules = [RULES_VERSION, ...languages.toSorted()].join(' ')
    const isCurrent = (one: Generation): boolean => one.kid === kid && one.rules === rules
    let generations = await listGenerations(db.read)
    if (!generations.some(isCurrent)) {
      await db.transact(async (tx) => {
        const completed_at = (await hasMessages(tx)) ? null : clock()
        const isNew = await insertGeneration(tx, { kid, rules, completed_at }, clock())
        if (isNew) tx.publish({ type: 'search.changed' })
        if (isNew && completed_at === null)
          tx.enqueue({ type: 'search.reindex', payload: {}, key: 'search.reindex' })
      })
      generations = await listGenerations(db.read)
    }
    const blinders = new Map<string, Blinder>()
    for (const one of generations) {
      const key = keyring.byId(one.kid)
      if (key) blinders.set(one.kid, this.#blinders.get(one.kid) ?? new Blinder(key.key, this.#stemmers))
    }
    this.#generation = generations.find(isCurrent)!
    this.#blinders = blinders
    this.#blinder = blinders.get(kid)!
  }

  /** Makes a message ready to be indexed: the costly part, which no transaction should wait for. */
  entryOf(message: IndexedMessage): IndexEntry {
    const blinder = this.#blinder
    const texts = [message.text, ...message.files.map(({ name }) => name)]
    const { inOrder, characters } = wordsOf(texts.join('\n'))
    const words = inOrder.map((word) => blinder.word(word))
    return {
      messageId: message.id,
      channelId: message.channelId,
      sentAt: message.sentAt,
      generation: this.#generation.id,
      inOrder: words.map(({ exact }) => exact),
      besides: [
        ...new Set(words.flatMap(({ stems }) => stems)),
        ...Array.from(characters, (character) => blinder.token('character', character)),
        blinder.token('channel', message.channelId),
        blinder.token('author', message.senderId),
        ...kindsIn(message).map((kind) => blinder.token('has', kind)),
      ],
    }
  }

  /** Indexes a message, or indexes it anew after an edit, in the transaction that writes it. */
  put(tx: Tx, entry: IndexEntry): void {
    this.store.put(tx, [entry])
  }

  /**
   * Messages that match, newest first.
   *
   * @param express puts what is looked for into the tokens of a key
   * @throws HttpError 503 when the person, or all together, ask too much at once
   */
  async find(userId: string, express: (blinder: Blinder) => Expression, range: Range): Promise<Found[]> {
    const asking = this.#asking.get(userId) ?? 0
    if (asking >= PER_PERSON) throw unavailable('Wait for your other searches', 1)
    this.#asking.set(userId, asking + 1)
    try {
      const expressions = Array.from(this.#blinders.values(), express)
      return await this.#turns.run(() => this.store.find(expressions, range))
    } catch (error) {
      throw error instanceof QueueFullError
        ? unavailable('Too many people are searching; try again in a moment', 2, error)
        : error
    } finally {
      const left = this.#asking.get(userId)! - 1
      if (left === 0) this.#asking.delete(userId)
      else this.#asking.set(userId, left)
    }
  }
}
