import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { sendDm } from '#test/direct.ts'
import { FaultProxy, type Fault } from '#test/fault-proxy.ts'
import { wholeHistory } from '#test/history.ts'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { newPlace, type Place } from '#test/server.ts'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND
const PATIENCE = { timeout: 20_000, interval: 25 }
const CLOCK = fileURLToPath(new URL('../support/wandering-clock.js', import.meta.url))
/** More of everything, for an hour of leisure: `npm run test:peers`. */
const ROUNDS = Number(process.env['PEERS_ROUNDS'] ?? 1)

/** A server in a process of its own, at an address that outlives it, with somebody on it. */
class Site implements AsyncDisposable {
  readonly proxy: FaultProxy
  readonly #place: Place
  #program: Program
  #offset = 0
  person: Person

  private constructor(parts: { proxy: FaultProxy; place: Place; program: Program; person: Person }) {
    this.proxy = parts.proxy
    this.#place = parts.place
    this.#program = parts.program
    this.person = parts.person
  }

  static async start(name: string, address: string): Promise<Site> {
    const place = await newPlace()
    const proxy = await FaultProxy.start(address)
    writeFileSync(join(place.dataDir, 'clock'), '0')
    const program = await launch(place, proxy)
    proxy.target = program.url
    return new Site({ proxy, place, program, person: await Person.signUp(program, name) })
  }

  get handle(): string {
    return `${this.person.name}@${this.proxy.host}`
  }

  /** Sets the clock of the program right by so much, or wrong. */
  async moveClock(ms: number): Promise<void> {
    this.#offset += ms
    const file = join(this.#place.dataDir, 'clock')
    writeFileSync(file, String(this.#offset))
    process.kill(this.#program.pid, 'SIGUSR2')
    await expect.poll(() => Number(readFileSync(`${file}.seen`, 'utf8')), PATIENCE).toBe(this.#offset)
  }

  /** Power cut, and power. */
  async crash(): Promise<void> {
    await this.#program.kill()
    const program = await launch(this.#place, this.proxy, this.#program)
    this.#program = program
    this.proxy.target = program.url
    this.person = new Person(program, this.person)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]()
    await this.proxy[Symbol.asyncDispose]()
    await this.#place[Symbol.asyncDispose]()
  }
}

function launch(place: Place, proxy: FaultProxy, before?: Program): Promise<Program> {
  const env = {
    HOST: proxy.host.split(':')[0]!,
    PUBLIC_ORIGIN: proxy.origin,
    FEDERATION_ALLOW_PRIVATE: '1',
    ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440',
  }
  const clock = { WANDERING_CLOCK: join(place.dataDir, 'clock'), NODE_OPTIONS: `--import=${CLOCK}` }
  return Program.start(
    { ...place, env: { ...place.env, ...clock } },
    { env, ...(before && { secrets: before.secrets }) },
  )
}

/** What was written to people, by whom it is for; and what they got. */
class Post {
  readonly #from: Site
  readonly #sent = new Map<Site, string[]>()
  #number = 0
  #conversations = new Map<Site, string>()

  constructor(from: Site) {
    this.#from = from
  }

  async write(to: Site, count = 1): Promise<void> {
    const sent = this.#sent.get(to) ?? []
    this.#sent.set(to, sent)
    for (let index = 0; index < count; index++) {
      const text = `number ${++this.#number}`
      const { conversation_id } = await sendDm(this.#from.person, to.handle, text)
      this.#conversations.set(to, conversation_id)
      sent.push(text)
    }
  }

  /** Waits until everything is there that somebody was sent: in order, and each once. */
  async arrived(to: Site): Promise<void> {
    const sent = this.sent(to)
    await expect.poll(async () => (await this.received(to)).at(-1), PATIENCE).toBe(sent.at(-1))
    expect(await this.received(to)).toEqual(sent)
  }

  sent(to: Site): readonly string[] {
    return this.#sent.get(to)!
  }

  async received(to: Site): Promise<string[]> {
    return (await wholeHistory(to.person, this.#conversations.get(to)!)).map(({ text }) => text)
  }
}

const sites = new AsyncDisposableStack()
let ann: Site, bob: Site, cat: Site, post: Post

beforeAll(async () => {
  const started = await Promise.all(
    ['ann', 'bob', 'cat'].map((name, index) => Site.start(name, `127.0.0.${31 + index}`)),
  )
  ;[ann, bob, cat] = started.map((site) => sites.use(site)) as [Site, Site, Site]
  post = new Post(ann)
})

afterAll(() => sites.disposeAsync())

/** Time passes at the sender until the first step of the ladder, and something reminds it of the peer. */
async function later(): Promise<void> {
  await ann.moveClock(31 * SECOND)
  await post.write(bob)
  await post.arrived(bob)
}

/** Does something in rounds, each of which is given its time. */
function rounds(round: () => Promise<void>): () => Promise<void> {
  return async () => {
    for (const to of [bob, cat]) {
      await post.write(to)
      await post.arrived(to)
    }
    for (let count = 0; count < ROUNDS; count++) await round()
  }
}

describe.runIf(inject('database') === 'sqlite')('each message arrives once and in order', () => {
  test(
    'whatever a server answers with, and others do not wait',
    rounds(async () => {
      for (const fault of ['down', 'error', 'garbage', 'lost'] satisfies Fault[]) {
        const { came } = bob.proxy
        bob.proxy.fault = fault
        await post.write(bob, 2)
        await expect.poll(() => bob.proxy.came, PATIENCE).toBeGreaterThan(came)
        await post.write(cat)
        await post.arrived(cat)
        bob.proxy.fault = undefined
        await later()
      }
      expect(await post.received(bob)).toEqual(post.sent(bob))
    }),
    ROUNDS * 60_000,
  )

  test(
    'when the clock of either server was wrong by a day',
    rounds(async () => {
      const refusals = (): number => bob.proxy.answers.filter((status) => status === 401).length
      for (const site of [bob, ann]) {
        const before = refusals()
        const { person } = ann
        await site.moveClock(DAY)
        // Tokens of before have run out by that clock.
        if (site === ann) ann.person = await person.signIn()
        await post.write(bob, 2)
        await expect.poll(refusals, PATIENCE).toBeGreaterThan(before)
        await site.moveClock(-DAY)
        ann.person = person
        await later()
      }
      expect(await post.received(bob)).toEqual(post.sent(bob))
    }),
    ROUNDS * 60_000,
  )
})

test(
  'a server that is killed while it sends, or receives, loses and repeats nothing',
  rounds(async () => {
    bob.proxy.fault = 'slow'
    for (const site of [ann, bob]) {
      const { came } = bob.proxy
      await post.write(bob, 8)
      await post.write(cat, 2)
      await expect.poll(() => bob.proxy.came, PATIENCE).toBeGreaterThanOrEqual(came + 3)
      await site.crash()
      await post.arrived(cat)
      await later()
    }
    bob.proxy.fault = undefined
    expect(await post.received(bob)).toEqual(post.sent(bob))
  }),
  ROUNDS * 60_000,
)
