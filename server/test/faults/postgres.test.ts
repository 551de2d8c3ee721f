import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { describe, expect, inject, test } from 'vitest'
import { DatabaseUnavailableError } from '#db/errors.ts'
import { expectSound, Load, sentOf, wholeHistory, type Sent } from '#test/history.ts'
import { request } from '#test/http.ts'
import { startPostgres } from '#test/postgres.ts'
import { newPlace, startServer, type TestServer } from '#test/server.ts'
import type { TestSocket } from '#test/socket.ts'

function messagesOf(socket: TestSocket): Sent[] {
  return socket.frames.filter(({ type }) => type === 'message').map(sentOf)
}

describe.runIf(inject('database') === 'postgres')('on PostgreSQL', () => {
  test('while PostgreSQL is away requests answer 503; when it is back all goes on and nothing is lost', async () => {
    const postgres = await startPostgres()
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(() => postgres.stop())
    await postgres.server.createDatabase('chat')
    const dataDir = mkdtempSync(join(tmpdir(), 'pufferblow-test-'))
    const remove = async (): Promise<void> => rmSync(dataDir, { recursive: true, force: true })
    const env = { PUFFERBLOW_DATABASE_URL: postgres.urlOf('chat'), PUFFERBLOW_DATABASE_POOL_SIZE: '6' }
    const place = { dataDir, env, [Symbol.asyncDispose]: remove }
    cleanup.use(place)
    const server = cleanup.use(await startServer({ place }))
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using socket = await owner.connect({ resume: 'now' })
    await socket.next('ready')

    const load = new Load([owner], [channel], { senders: 16, label: 'load' })
    await load.until(150)
    await postgres.server.stop()
    await load.reaches(() => load.refused.length >= 40)
    for (const answer of [
      await request(server, 'GET', '/readyz', { undescribed: true }),
      await owner.get(`/api/v1/channels/${channel}/load_messages`, { query: { before: '10' } }),
      await owner.post('/api/v1/channels/list/'),
      await owner.post('/api/v1/channels/create/', { channel_name: 'not now' }),
    ]) {
      expect(answer.status).toBe(503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect((await request(server, 'GET', '/healthz')).status).toBe(200)
    await expect(owner.connect()).rejects.toMatchObject({ status: 503 })

    const { size } = load.acknowledged
    await postgres.server.start()
    await load.until(size + 150)
    await load.stop()
    for (const { status, retryAfter } of load.refused) {
      expect(status).toBe(503)
      expect(Number(retryAfter)).toBeGreaterThan(0)
    }
    expect((await request(server, 'GET', '/readyz')).status).toBe(200)
    const history = await wholeHistory(owner, channel)
    expectSound(history, load)
    // The socket was open all the time and has everything once, in order.
    await socket.settled()
    expect(messagesOf(socket)).toEqual(history)
    using again = await owner.connect({ resume: socket.frames[0].cursor as string })
    await again.next('ready')
    expect(messagesOf(again)).toEqual(history)
  })

  test('connections that are killed while messages are sent lose and double nothing', async () => {
    await using server = await startServer()
    const [owner, bob] = await server.people('owner', 'bob')
    const channels = [await owner!.createChannel('one'), await owner!.createChannel('two')]
    using socket = await bob!.connect({ resume: 'now' })
    await socket.next('ready')
    const load = new Load([owner!, bob!], channels, { senders: 16, label: 'load' })
    for (let round = 1; round <= 8; round++) {
      await load.until(round * 40)
      await terminateConnections(server)
    }
    await load.until(8 * 40 + 40)
    await load.stop()
    for (const { status } of load.refused) expect(status).toBe(503)
    await socket.settled()
    const seen = messagesOf(socket)
    for (const channel of channels) {
      const history = await wholeHistory(owner!, channel)
      expectSound(history, load)
      expect(seen.filter((message) => message.channel === channel)).toEqual(history)
    }
  })
})

describe.runIf(inject('database') === 'postgres')('a connection that breaks at the commit', () => {
  test('after it was done: the message is acknowledged and told, once', async () => {
    await using place = await newPlace()
    await using proxy = await CommitBreaker.start(place.env['PUFFERBLOW_DATABASE_URL']!)
    await using server = await startServer({
      place: { ...place, env: { PUFFERBLOW_DATABASE_URL: proxy.url } },
    })
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using socket = await owner.connect({ resume: 'now' })
    await owner.send(channel, 'before')
    proxy.breakNext = { after: INSERT_MESSAGE, at: 'answer' }
    const sending = owner.send(channel, 'in doubt')
    // Whoever sends meanwhile is told in the order of the numbers, after the doubt is settled.
    await proxy.broke
    await owner.send(channel, 'behind')
    await sending
    expect(await owner.load(channel)).toEqual(['before', 'in doubt', 'behind'])
    await socket.settled()
    expect(messagesOf(socket).map(({ seq, text }) => `${seq} ${text}`)).toEqual([
      '1 before',
      '2 in doubt',
      '3 behind',
    ])
  })

  test('before it was done: the message is refused and leaves no trace', async () => {
    await using place = await newPlace()
    await using proxy = await CommitBreaker.start(place.env['PUFFERBLOW_DATABASE_URL']!)
    await using server = await startServer({
      place: { ...place, env: { PUFFERBLOW_DATABASE_URL: proxy.url } },
    })
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using socket = await owner.connect({ resume: 'now' })
    await owner.send(channel, 'before')
    proxy.breakNext = { after: INSERT_MESSAGE, at: 'commit' }
    const refused = await owner.post(`/api/v1/channels/${channel}/send_message`, { message: 'in doubt' })
    expect(refused.status).toBe(503)
    await owner.send(channel, 'behind')
    expect(await owner.load(channel)).toEqual(['before', 'behind'])
    await socket.settled()
    expect(messagesOf(socket).map(({ seq, text }) => `${seq} ${text}`)).toEqual(['1 before', '2 behind'])
  })

  test('before what is not logged was done: it is refused, with a hint that it may be there', async () => {
    await using place = await newPlace()
    await using proxy = await CommitBreaker.start(place.env['PUFFERBLOW_DATABASE_URL']!)
    await using server = await startServer({
      place: { ...place, env: { PUFFERBLOW_DATABASE_URL: proxy.url } },
    })
    proxy.breakNext = { after: 'insert into "server_setting"', at: 'commit' }
    const refused = server.ctx.db.transact((tx) =>
      tx.insertInto('server_setting').values({ key: 'note', value: 'x', updated_at: 1 }).execute(),
    )
    await expect(refused).rejects.toThrow(DatabaseUnavailableError)
    await expect(refused).rejects.toMatchObject({ outcomeUnknown: true })
  })
})

const INSERT_MESSAGE = 'insert into "message"'

/** Stands between a server and PostgreSQL and cuts one connection around its commit. */
class CommitBreaker implements AsyncDisposable {
  /**
   * At the commit that follows this text on a connection. `commit`: it never arrives. `answer`: it is done, but
   * nobody hears of it.
   */
  breakNext: { after: string; at: 'commit' | 'answer' } | undefined
  readonly #broken = Promise.withResolvers<void>()
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #target: URL

  private constructor(target: string) {
    this.#target = new URL(target)
    this.#server = createServer((client) => this.#connect(client))
  }

  static async start(target: string): Promise<CommitBreaker> {
    const breaker = new CommitBreaker(target)
    await new Promise<void>((resolve) => breaker.#server.listen(0, '127.0.0.1', resolve))
    return breaker
  }

  get url(): string {
    const url = new URL(this.#target)
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.href
  }

  get broke(): Promise<void> {
    return this.#broken.promise
  }

  #connect(client: Socket): void {
    const upstream = connect(Number(this.#target.port), this.#target.hostname)
    let deaf = false
    let marked = false
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk: Buffer) => {
      if (this.breakNext && chunk.includes(this.breakNext.after)) marked = true
      if (marked && chunk.includes('commit\0')) {
        const { at } = this.breakNext!
        this.breakNext = undefined
        marked = false
        if (at === 'answer') deaf = true
        else {
          this.#broken.resolve()
          return void client.destroy()
        }
      }
      upstream.write(chunk)
    })
    upstream.on('data', (chunk: Buffer) => {
      if (!deaf) return void client.write(chunk)
      // This is the answer to the commit.
      this.#broken.resolve()
      client.destroy()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** Every connection of a server, also the one by which it holds its stream. */
async function terminateConnections(server: TestServer): Promise<void> {
  const client = new pg.Client({ connectionString: server.ctx.config.database.url })
  await client.connect()
  try {
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    )
  } finally {
    await client.end()
  }
}
