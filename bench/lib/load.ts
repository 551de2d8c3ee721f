import { HttpConnection } from './http-connection.ts'
import type { Program } from './program.ts'
import { percentile } from './stats.ts'

export interface LoadResult {
  readonly answers: number
  readonly perSecond: number
  /** Answers for each second of processor time that the server spent. */
  readonly perCpuSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

/**
 * Clients that send their next request as soon as the last one was answered, until the time is over, `total` requests
 * were sent, or each client has sent its own `once`.
 *
 * @param requests those of each client, sent over and over
 * @throws when an answer is not 2xx: a server that refuses is fast
 */
export async function load(
  server: Program,
  requests: readonly (readonly Buffer[])[],
  until: { seconds: number } | { total: number } | { once: true },
): Promise<LoadResult> {
  using connections = new DisposableStack()
  const clients = await Promise.all(
    requests.map(async (own) => ({
      own,
      connection: connections.use(await HttpConnection.open(server.url)),
    })),
  )
  const latencies: number[] = []
  const total = 'total' in until ? until.total : Infinity
  let sent = 0
  const cpuBefore = server.cpuSeconds()
  const started = performance.now()
  const deadline = 'seconds' in until ? started + until.seconds * 1000 : Infinity
  await Promise.all(
    clients.map(
      ({ connection, own }) =>
        new Promise<void>((resolve, reject) => {
          let turn = 0
          let sentAt = 0
          const next = (now: number): void => {
            const isDone = 'once' in until && turn === own.length
            if (isDone || now >= deadline || sent >= total) return resolve()
            sent++
            sentAt = now
            connection.send(own[turn++ % own.length]!, answered, reject)
          }
          const answered = (status: number): void => {
            if (status < 200 || status > 299) return reject(new Error(`an answer ${status} under load`))
            const now = performance.now()
            latencies.push(now - sentAt)
            next(now)
          }
          next(performance.now())
        }),
    ),
  )
  const seconds = (performance.now() - started) / 1000
  return {
    answers: latencies.length,
    perSecond: latencies.length / seconds,
    perCpuSecond: latencies.length / (server.cpuSeconds() - cpuBefore),
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
  }
}
