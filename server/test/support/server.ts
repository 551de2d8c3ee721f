import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, inject } from 'vitest'
import { startServer as listen, type RunningServer } from '#app'
import { loadConfig } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { createContext, type Context } from '#context'
import type { PasswordCost } from '#features/accounts/index.ts'
import { changeSettings, type ServerSettings } from '#features/instance/index.ts'
import { createLog } from '#log/log.ts'
import { LogTail } from '#log/tail.ts'
import { giveBack, takeDatabase } from './database-pool.ts'
import { Person } from './person.ts'
import { Secrets } from './secrets.ts'

/** The least that Argon2 allows. */
const CHEAP: PasswordCost = { memoryCost: 8, timeCost: 1, parallelism: 1 }

export interface TestServerOptions {
  /** Environment variables, without the prefix: `{ REGISTRATION: 'closed' }`. */
  readonly env?: Readonly<Record<string, string>>
  /** Milliseconds added to the real clock; may be changed while the server runs. */
  readonly clock?: { offset: number }
  /** Called before the server listens: to add tasks and handlers. */
  readonly prepare?: (ctx: Context) => void
  /** What its owner has set. */
  readonly settings?: Partial<ServerSettings>
  /** Whether hashing a password costs what it costs in earnest. Otherwise next to nothing, and proves nothing. */
  readonly realPasswords?: true
  /** A place that a server before this one left; without it a new one is made. */
  readonly place?: Place
}

/** Data folder and database, which outlive a server. */
export interface Place extends AsyncDisposable {
  readonly dataDir: string
  readonly env: Readonly<Record<string, string>>
}

/** A server that really listens, in this process. When it is disposed of, its whole log is searched for secrets. */
export class TestServer implements AsyncDisposable {
  readonly url: string
  readonly ctx: Context
  readonly running: RunningServer
  readonly secrets: Secrets
  readonly logLines: string[]
  readonly #people = new Map<string, Promise<Person>>()
  readonly #place: Place | undefined
  readonly #clock: { offset: number }

  constructor(parts: {
    ctx: Context
    running: RunningServer
    secrets: Secrets
    logLines: string[]
    clock: { offset: number }
    place?: Place
  }) {
    this.ctx = parts.ctx
    this.running = { ...parts.running, openApi: () => describe(parts.ctx.config, parts.running) }
    this.url = parts.running.url
    this.secrets = parts.secrets
    this.logLines = parts.logLines
    this.#place = parts.place
    this.#clock = parts.clock
  }

  /** Somebody who is signed in; signs up under this name when first asked for. The first one owns the server. */
  person(name: string): Promise<Person> {
    let person = this.#people.get(name)
    if (!person) {
      person = Person.signUp(this, name)
      this.#people.set(name, person)
    }
    return person
  }

  /** Several people, signed up one after the other. */
  async people(...names: string[]): Promise<Person[]> {
    const people: Person[] = []
    for (const name of names) people.push(await this.person(name))
    return people
  }

  /** Moves the clock of the server on and lets it see what is due now. Timers of the machine do not notice. */
  passTime(ms: number): void {
    this.#clock.offset += ms
    this.ctx.jobs.wake()
  }

  /** Stops the server but keeps its data. */
  async stop(): Promise<void> {
    await this.running.stop(2000)
    await this.ctx[Symbol.asyncDispose]()
    expect(this.secrets.foundIn(this.logLines.join('\n')), 'secrets in the log').toEqual([])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#place?.[Symbol.asyncDispose]()
  }
}

/** Starts a server on the database of the project under test. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const place = options.place ?? (await newPlace())
  const secrets = new Secrets()
  const logLines: string[] = []
  const { config, sources } = loadConfig({
    env: {
      PUFFERBLOW_PORT: '0',
      PUFFERBLOW_VOICE_PORT: '0',
      PUFFERBLOW_LOG_LEVEL: 'debug',
      ...place.env,
      ...prefixed(options.env),
    },
    dataDir: place.dataDir,
  })
  const logTail = new LogTail()
  const log = createLog({
    tail: logTail,
    level: config.log.level,
    format: 'json',
    destination: { write: (line) => void logLines.push(line) },
  })
  const { clock = { offset: 0 } } = options
  const ctx = await createContext({
    config,
    log,
    logTail,
    role: 'server',
    clock: () => Date.now() + clock.offset,
    ...(!options.realPasswords && { passwordCost: CHEAP }),
  })
  options.prepare?.(ctx)
  if (options.settings) await changeSettings(ctx, options.settings)
  const running = await listen(ctx, { originIsDefault: sources['server.public_origin'] === 'default' })
  return new TestServer({ ctx, running, secrets, logLines, clock, ...(!options.place && { place }) })
}

/** A data folder, and a database with nothing but its tables. */
export async function newPlace(): Promise<Place> {
  const dataDir = mkdtempSync(join(tmpdir(), 'pufferblow-test-'))
  const remove = (): void => rmSync(dataDir, { recursive: true, force: true })
  if (inject('database') === 'sqlite') {
    mkdirSync(join(dataDir, 'db'), { mode: 0o700 })
    copyFileSync(inject('sqliteTemplate'), join(dataDir, 'db', 'pufferblow.sqlite'))
    return { dataDir, env: {}, [Symbol.asyncDispose]: async () => remove() }
  }
  const database = await takeDatabase()
  return {
    dataDir,
    env: { PUFFERBLOW_DATABASE_URL: database.url, PUFFERBLOW_DATABASE_POOL_SIZE: '8' },
    [Symbol.asyncDispose]: async () => {
      await giveBack(database)
      remove()
    },
  }
}

const descriptions = new Map<string, Record<string, unknown>>()

/** What the server says of itself, which hangs on its configuration alone: servers of one configuration say the same. */
function describe(config: Config, running: RunningServer): Record<string, unknown> {
  const key = JSON.stringify({ ...config, data_dir: '', database: '', redis: '' })
  let description = descriptions.get(key)
  if (!description) {
    description = running.openApi()
    descriptions.set(key, description)
  }
  return description
}

function prefixed(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [`PUFFERBLOW_${name}`, value]))
}
