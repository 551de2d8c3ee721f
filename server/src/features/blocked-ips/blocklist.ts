import type { Context } from '#context'
import type { Published } from '#events/bus.ts'
import type { Client } from '#http/client-address.ts'
import type { Block, Blocklist } from '#http/rate-limit/blocklist.ts'
import { Generations } from '#lib/generations.ts'
import { parseNetwork } from '#lib/ip.ts'
import { NetworkMap } from '#lib/network-map.ts'
import { addAttempts, listBlockedIps } from './store.ts'

/** How long attempts are counted in memory before they are written. */
const FLUSH_MS = 10_000
/** Those whose time is over are forgotten when all are read again. */
const RELOAD_MS = 3600 * 1000
/** For how long an address is spared after somebody used it who could lift a block. */
const SPARED_MS = 24 * 3600 * 1000
const MAX_SPARED = 1000

type Deps = Pick<Context, 'db' | 'bus' | 'clock' | 'log'>

interface Known extends Block {
  readonly network: string
}

/**
 * Blocked addresses, kept in memory since every request asks for them first. The bus tells of changes; what was
 * missed is read again.
 */
export class BlockedIps implements Blocklist, AsyncDisposable {
  readonly #ctx: Deps
  readonly #networks = new NetworkMap<Known>()
  readonly #attempts = new Map<string, { count: number; lastAt: number }>()
  readonly #spared = new Generations<string, number>(MAX_SPARED)
  readonly #unsubscribe: () => void
  readonly #timers: readonly NodeJS.Timeout[]
  #refused = 0
  #changes = 0
  #flushing: Promise<void> = Promise.resolve()

  private constructor(ctx: Deps) {
    this.#ctx = ctx
    this.#unsubscribe = ctx.bus.subscribe((published) => this.#follow(published))
    this.#timers = [
      setInterval(() => void this.flush(), FLUSH_MS).unref(),
      setInterval(() => this.#readAgain(), RELOAD_MS).unref(),
    ]
  }

  static async open(ctx: Deps): Promise<BlockedIps> {
    const blocked = new BlockedIps(ctx)
    await blocked.#reload()
    return blocked
  }

  /** How many networks are blocked, those whose time is over included until they are removed. */
  get size(): number {
    return this.#networks.size
  }

  /** How many requests were refused since the start. */
  get refused(): number {
    return this.#refused
  }

  /** Whether this client is blocked. Counts it as an attempt if so. */
  find({ address }: Client): Block | undefined {
    if (this.#networks.size === 0) return undefined
    const now = this.#ctx.clock()
    const block = this.#networks.find(address, ({ expiresAt }) => expiresAt === null || expiresAt > now)
    if (!block) return undefined
    this.#refused++
    const attempts = this.#attempts.get(block.network)
    this.#attempts.set(block.network, { count: (attempts?.count ?? 0) + 1, lastAt: now })
    return block
  }

  /** Notes where somebody is who could lift a block: what others do there must not lock them out. */
  spare({ key }: Client): void {
    this.#spared.set(key, this.#ctx.clock())
  }

  isSpared({ key }: Client): boolean {
    const seenAt = this.#spared.get(key)
    return seenAt !== undefined && this.#ctx.clock() - seenAt < SPARED_MS
  }

  /** Writes attempts that were counted since the last time. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write())
    return this.#flushing
  }

  async #write(): Promise<void> {
    if (this.#attempts.size === 0) return
    const counted = [...this.#attempts]
    this.#attempts.clear()
    try {
      await this.#ctx.db.transact(async (tx) => {
        for (const [network, { count, lastAt }] of counted) await addAttempts(tx, network, count, lastAt)
      })
    } catch (error) {
      // They are figures for people to look at: some that are lost do no harm.
      this.#ctx.log.warn({ err: error }, 'attempts of blocked addresses could not be counted')
    }
  }

  #follow({ event }: Published): void {
    switch (event.type) {
      case 'address.blocked':
        this.#changes++
        return this.#add(event.network, event.expiresAt)
      case 'address.unblocked': {
        this.#changes++
        const network = event.network === null ? null : parseNetwork(event.network)
        if (network === null) this.#networks.clear()
        else if (network) this.#networks.delete(network)
        return
      }
      case 'events.missed':
        return this.#readAgain()
      default:
    }
  }

  #readAgain(): void {
    this.#reload().catch((error: unknown) =>
      this.#ctx.log.error({ err: error }, 'blocked addresses could not be read'),
    )
  }

  async #reload(): Promise<void> {
    let changes: number
    let rows: Awaited<ReturnType<typeof listBlockedIps>>
    do {
      changes = this.#changes
      rows = await listBlockedIps(this.#ctx.db.read, this.#ctx.clock())
      // What was told meanwhile is newer than what was read.
    } while (changes !== this.#changes)
    this.#networks.clear()
    for (const { network, expires_at } of rows) this.#add(network, expires_at)
  }

  #add(network: string, expiresAt: number | null): void {
    const parsed = parseNetwork(network)
    if (parsed) this.#networks.set(parsed, { network, expiresAt })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timers.forEach(clearInterval)
    this.#unsubscribe()
    await this.flush()
  }
}
