import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import type { Person } from '#test/person.ts'
import { createRole, setRoles } from '#test/roles.ts'
import { startServer, type TestServer } from '#test/server.ts'
import { RefusedError, TestSocket } from '#test/socket.ts'

/*
 * Every route, asked by everybody who could ask, against the table in authorisation.txt. The table says what is right;
 * nothing here works it out. CONTRIBUTING.md says how a route is entered.
 */

/** Who asks, in the order of the columns of the table. */
const ASKERS = [
  'anonymous',
  'foreign',
  'banned',
  'timed-out',
  'outsider',
  'member',
  'moderator',
  'admin',
  'owner',
] as const
type Asker = (typeof ASKERS)[number]
const AT_ONCE = 5

interface Line {
  readonly number: number
  readonly method: string
  readonly path: string
  readonly expected: readonly string[]
  readonly input: Readonly<Record<string, unknown>>
}

function readTable(): Line[] {
  const text = readFileSync(join(import.meta.dirname, 'authorisation.txt'), 'utf8')
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return []
    const [, method, path, statuses, input] = /^(\S+)\s+(\S+)((?:\s+\d{3}){9})\s*(\{.*\})?$/.exec(line) ?? []
    if (!method || !path || !statuses) throw new Error(`line ${index + 1} is not understood: ${line}`)
    return {
      number: index + 1,
      method,
      path,
      expected: statuses.trim().split(/\s+/),
      input: JSON.parse(input ?? '{}') as Record<string, unknown>,
    }
  })
}

const UNKNOWN = '01890000-0000-7000-8000-000000000000'

/** What a path parameter is when its line does not say. */
const PLACES: Readonly<Record<string, string>> = {
  channel_id: '$secret',
  user_id: '$target',
  subject_type: 'role',
  subject_id: 'user',
}

class World {
  readonly server: TestServer
  readonly tokens: Readonly<Record<Asker, string | undefined>>
  readonly #people: Readonly<Record<'owner' | 'member' | 'target', Person>>
  readonly #ids: Readonly<Record<'secret' | 'voice' | 'message', string>>
  #count = 0

  private constructor(parts: {
    server: TestServer
    tokens: World['tokens']
    people: Readonly<Record<'owner' | 'member' | 'target', Person>>
    ids: Readonly<Record<'secret' | 'voice' | 'message', string>>
  }) {
    this.server = parts.server
    this.tokens = parts.tokens
    this.#people = parts.people
    this.#ids = parts.ids
  }

  static async create(server: TestServer, foreignToken: string): Promise<World> {
    const names = ['owner', 'admin', 'moderator', 'member', 'outsider', 'timed-out', 'banned', 'target']
    const people = Object.fromEntries(
      (await server.people(...names)).map((person) => [person.name, person]),
    ) as Record<Asker | 'target', Person>
    const { owner, member } = people
    await setRoles(server, people.admin, 'admin', 'user')
    await setRoles(server, people.moderator, 'moderator', 'user')
    const members = [member, people['timed-out'], people.banned]
    const secret = await owner.createChannel('secret', { private: true, members })
    const voice = await owner.createChannel('voice', { private: true, members, type: 'voice' })
    const message = await member.send(secret, 'plan')
    await owner.post(`/api/v1/moderation/users/${people['timed-out'].id}/timeout`, { duration_minutes: 60 })
    await owner.post(`/api/v1/moderation/users/${people.banned.id}/ban`)
    const tokens = Object.fromEntries(ASKERS.map((asker) => [asker, people[asker]?.token])) as Record<
      Asker,
      string | undefined
    >
    return new World({
      server,
      tokens: { ...tokens, foreign: foreignToken },
      people: { owner, member, target: people.target },
      ids: { secret, voice, message },
    })
  }

  /** What a word of the table stands for; some make what they stand for. */
  async #resolve(word: string): Promise<string> {
    const { owner, member, target } = this.#people
    switch (word) {
      case '$secret':
        return this.#ids.secret
      case '$voice':
        return this.#ids.voice
      case '$message':
        return this.#ids.message
      case '$target':
        return target.id
      case '$unknown':
        return UNKNOWN
      case '$unique':
        return `unique-${++this.#count}`
      case '$new_channel':
        return owner.createChannel(`new-${++this.#count}`, { private: true, members: [member] })
      case '$new_message':
        return member.send(this.#ids.secret, `new ${++this.#count}`)
      case '$new_role':
        return createRole(owner, `new ${++this.#count}`, [])
      case '$new_member':
        await owner.addMember(this.#ids.secret, target)
        return target.id
      default:
        throw new Error(`the table has an unknown word ${word}`)
    }
  }

  async #fill(value: unknown): Promise<unknown> {
    if (typeof value === 'string') return value.startsWith('$') ? this.#resolve(value) : value
    if (Array.isArray(value)) return Promise.all(value.map((one) => this.#fill(one)))
    return value
  }

  /** The status that somebody gets for a line of the table. */
  async ask({ method, path, input }: Line, asker: Asker): Promise<string> {
    const fields: Record<string, unknown> = {}
    for (const [name, value] of Object.entries(input)) fields[name] = await this.#fill(value)
    const address = await this.#address(path, fields)
    const token = this.tokens[asker]
    if (method === 'WS') return this.#connect(address, token)
    const url = new URL(this.server.url + address)
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const inQuery = method === 'GET' || method === 'DELETE'
    if (inQuery) for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, String(value))
    else headers['content-type'] = 'application/json'
    const body = inQuery ? {} : { body: JSON.stringify(fields) }
    const response = await fetch(url, { method, headers, redirect: 'manual', ...body })
    await response.arrayBuffer()
    return String(response.status)
  }

  async #address(path: string, fields: Record<string, unknown>): Promise<string> {
    let address = path
    for (const [place, name] of path.matchAll(/\{(\w+)\}/g)) {
      const value = fields[name!] ?? (await this.#fill(PLACES[name!] ?? '$unknown'))
      delete fields[name!]
      address = address.replace(place, String(value))
    }
    return address
  }

  async #connect(address: string, token: string | undefined): Promise<string> {
    const channel = /^\/ws\/channels\/(.+)$/.exec(address)?.[1]
    try {
      using _socket = await TestSocket.open(this.server, {
        ...(token !== undefined && { token }),
        ...(channel !== undefined && { channel }),
      })
      return '101'
    } catch (error) {
      if (error instanceof RefusedError) return String(error.status)
      throw error
    }
  }
}

function auditRows({ ctx }: TestServer): Promise<object[]> {
  return ctx.db.read.selectFrom('audit_entry').selectAll().execute()
}

const table = readTable()
let foreignToken: string

beforeAll(async () => {
  await using elsewhere = await startServer()
  foreignToken = (await elsewhere.person('owner')).token
})

test('every route is in the table, and the table has no other', async () => {
  await using server = await startServer()
  const { paths } = server.running.openApi() as { paths: Record<string, object> }
  const described = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const entered = new Set(
    table.filter(({ method }) => method !== 'WS').map((line) => `${line.method} ${line.path}`),
  )
  expect(
    described.filter((route) => !entered.has(route)),
    'routes that are not in authorisation.txt: enter each with what everybody gets',
  ).toEqual([])
  expect(
    [...entered].filter((route) => !described.includes(route)),
    'routes in authorisation.txt that are not there',
  ).toEqual([])
})

test('everybody gets from every route what the table says', async () => {
  await using server = await startServer()
  const world = await World.create(server, foreignToken)
  const written = await auditRows(server)
  expect(written.length).toBeGreaterThan(3)
  const wrong: string[] = []
  for (const line of table) {
    const { number, method, path, expected } = line
    // Those who may do least can ask at once; the others one after the other, since they change things.
    const got = await Promise.all(ASKERS.slice(0, AT_ONCE).map((asker) => world.ask(line, asker)))
    for (const asker of ASKERS.slice(AT_ONCE)) got.push(await world.ask(line, asker))
    for (const [column, asker] of ASKERS.entries()) {
      if (got[column] === expected[column]) continue
      wrong.push(`line ${number}: ${method} ${path}, ${asker}: ${got[column]}, not ${expected[column]}`)
    }
  }
  expect(wrong).toEqual([])
  // Whatever was called, by whomever: what was written down stands as it was.
  expect(await auditRows(server)).toEqual(expect.arrayContaining(written))
}, 60_000)
