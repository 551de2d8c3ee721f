import type { Redis, RedisOptions } from 'ioredis'

const CONNECT_MS = 2000

type Options = Omit<RedisOptions, 'replyMapping'>

/**
 * A client that is not connected yet, and that fails rather than waits while Redis is away.
 *
 * @param url `redis://`, `rediss://`, or `unix:` and a path
 */
export async function redisClient(url: string, options: Options = {}): Promise<Redis> {
  // Loaded only where there is a Redis.
  const { Redis: Client } = await import('ioredis')
  const all: Options = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_MS,
    connectionName: 'pufferblow',
    ...options,
  }
  return new Client(url.replace(/^unix:(\/\/)?/, ''), all)
}

/** Asks a Redis for its version. @throws when it does not answer */
export async function redisVersion(url: string): Promise<string> {
  const redis = await redisClient(url, { retryStrategy: null, commandTimeout: CONNECT_MS })
  let broken: Error | undefined
  redis.on('error', (error) => (broken = error))
  try {
    await redis.connect()
    return /^(?:valkey|redis)_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? 'of an unknown version'
  } catch (error) {
    throw broken ?? error
  } finally {
    redis.disconnect()
  }
}
