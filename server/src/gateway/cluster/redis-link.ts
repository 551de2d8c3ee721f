import { Redis } from 'ioredis'
import type { Log } from '#log/log.ts'
import type { Link, LinkListener } from './link.ts'

/** Between attempts to reach Redis: soon at first, then every two seconds. */
const MAX_RETRY_MS = 2000
const CONNECT_MS = 2000

interface Options extends LinkListener {
  readonly url: string
  /** The channel that all processes of this server share. */
  readonly channel: string
  readonly log: Log
}

/** Redis' publish and subscribe: fire and forget, which is all that is asked of it. */
export class RedisLink implements Link {
  readonly #channel: string
  readonly #log: Log
  readonly #publisher: Redis
  readonly #subscriber: Redis
  readonly #onLost: () => void
  #isUp = false
  #wasDown = false

  constructor({ url, channel, log, onBytes, onUp, onLost }: Options) {
    this.#onLost = onLost
    this.#channel = channel
    this.#log = log
    const options = {
      connectTimeout: CONNECT_MS,
      retryStrategy: (attempts: number) => Math.min(50 * 2 ** attempts, MAX_RETRY_MS),
      maxRetriesPerRequest: null,
      // What could not be sent is found in the database: nothing waits for Redis to come back.
      enableOfflineQueue: false,
      autoResubscribe: false,
      lazyConnect: true,
      connectionName: 'pufferblow',
    }
    // The client takes a path for a socket of this machine, and anything else for an address.
    const address = url.replace(/^unix:(\/\/)?/, '')
    this.#publisher = new Redis(address, options)
    this.#subscriber = new Redis(address, options)
    for (const client of [this.#publisher, this.#subscriber]) {
      client.on('error', (error: Error) => this.#down(error))
      client.on('close', () => this.#down())
    }
    this.#subscriber.on('messageBuffer', (_channel, bytes: Buffer) => onBytes(bytes))
    this.#subscriber.on('ready', () => {
      this.#subscriber.subscribe(channel).then(
        () => {
          this.#isUp = true
          if (this.#wasDown) log.info('Redis is back: events of other processes come at once again')
          this.#wasDown = false
          onUp()
        },
        (error: unknown) => this.#down(error as Error),
      )
    })
    for (const client of [this.#publisher, this.#subscriber]) client.connect().catch(() => {})
  }

  get isUp(): boolean {
    return this.#isUp && this.#publisher.status === 'ready'
  }

  send(bytes: Buffer): void {
    if (this.#publisher.status !== 'ready') return this.#onLost()
    this.#publisher.publish(this.#channel, bytes).catch((error: unknown) => {
      this.#onLost()
      this.#down(error as Error)
    })
  }

  #down(error?: Error): void {
    const first = !this.#wasDown
    this.#isUp = this.#subscriber.status === 'ready' && this.#isUp
    if (this.#isUp && this.#publisher.status === 'ready') return
    this.#wasDown = true
    if (!first) return
    this.#log.warn({ err: error }, 'Redis is away: events of other processes come with a delay')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wasDown = true
    this.#publisher.disconnect()
    this.#subscriber.disconnect()
  }
}
