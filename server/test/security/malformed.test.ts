import { expect, test } from 'vitest'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer, type TestServer } from '#test/server.ts'

/*
 * Every field of every route, in the path, the query, JSON and a form, with everything that it cannot be. The owner asks,
 * whom nothing stops before the field is read. `request` holds each answer against the description.
 */

const UNKNOWN = '01890000-0000-7000-8000-000000000000'
/** Fewer than the searches that one person may have under way. */
const AT_ONCE = 2

/** What no field is, though some may be a text like any other to a field that is a text. */
const JSON_VALUES: readonly unknown[] = [
  null,
  -1,
  1e308,
  true,
  [null],
  { $ne: 1 },
  '',
  'x'.repeat(70_000),
  'a\u0000b',
  '\ud800',
  '../../etc/passwd',
  UNKNOWN,
]
const TEXT_VALUES = JSON_VALUES.filter((value) => typeof value === 'string')
/** As they stand in an address: broken percent-encoding, bytes that are no UTF-8, parts of other paths. */
const PATH_VALUES = ['%00', '%ff', '%ED%A0%80', '..%2f..', "'", 'x'.repeat(90), UNKNOWN]

interface Operation {
  readonly parameters?: readonly { name: string; in: string }[]
  readonly requestBody?: { content: Record<string, { schema: { properties?: Record<string, object> } }> }
}

interface Ask {
  readonly method: string
  readonly path: string
  readonly query?: Record<string, string>
  readonly json?: Record<string, unknown>
  readonly form?: Record<string, string>
}

/** Ends what the test runs on, or waits for another server: tried by tests of their own. */
const APART = new Set(['POST /api/v1/users/profile/reset-auth-token', 'POST /api/v1/background-tasks/run'])

class Asker {
  readonly #server: TestServer
  readonly #owner: Person
  readonly #known: Readonly<Record<string, unknown>>
  readonly wrong: string[] = []
  asked = 0

  constructor(server: TestServer, owner: Person, known: Readonly<Record<string, unknown>>) {
    this.#server = server
    this.#owner = owner
    this.#known = known
  }

  async ask({ method, path, ...rest }: Ask): Promise<void> {
    this.asked += 1
    try {
      const { status, text } = await request(this.#server, method, path, {
        token: this.#owner.token,
        ...rest,
      })
      if (status < 500) return
      this.wrong.push(
        `${method} ${path} ${JSON.stringify(rest).slice(0, 200)}: ${status} ${text.slice(0, 200)}`,
      )
    } catch (error) {
      this.wrong.push(
        `${method} ${path} ${JSON.stringify(rest).slice(0, 200)}: ${String(error).slice(0, 600)}`,
      )
    }
  }

  #fill(names: readonly string[]): Record<string, unknown> {
    return Object.fromEntries(
      names.filter((name) => name in this.#known).map((name) => [name, this.#known[name]]),
    )
  }

  #place(path: string, except = '', value = ''): string {
    return path.replace(/\{(\w+)\}/g, (_, name: string) =>
      name === except ? value : encodeURIComponent(String(this.#known[name] ?? UNKNOWN)),
    )
  }

  *malformed(method: string, path: string, { parameters = [], requestBody }: Operation): Generator<Ask> {
    const names = (where: string): string[] =>
      parameters.filter((one) => one.in === where).map(({ name }) => name)
    const address = this.#place(path)
    for (const name of names('path')) {
      for (const value of PATH_VALUES) yield { method, path: this.#place(path, name, value) }
    }
    const query = names('query').filter((name) => name !== 'auth_token')
    const given = Object.fromEntries(
      Object.entries(this.#fill(query)).map(([name, value]) => [name, String(value)]),
    )
    for (const name of query) {
      for (const value of TEXT_VALUES) {
        // An address has its bounds, which are tried elsewhere.
        yield { method, path: address, query: { ...given, [name]: value.slice(0, 5000) } }
      }
    }
    const body = Object.keys(requestBody?.content['application/json']?.schema.properties ?? {})
    const fields = this.#fill(body)
    for (const name of body.filter((one) => one !== 'auth_token')) {
      yield { method, path: address, json: { ...fields, [name]: undefined } }
      for (const value of JSON_VALUES) yield { method, path: address, json: { ...fields, [name]: value } }
      for (const value of TEXT_VALUES) {
        yield { method, path: address, form: { [name]: value } }
      }
    }
  }
}

test('no route fails, whatever a field holds, and every answer is one that is described', async () => {
  await using server = await startServer({
    settings: { max_rate_limit_requests: 1_000_000, max_sign_in_failures: 1000 },
  })
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const channel = await owner.createChannel('secret', { private: true, members: [ann] })
  const asker = new Asker(server, owner, {
    channel_id: channel,
    message_id: await owner.send(channel, 'hello'),
    user_id: ann.id,
    target_user_id: ann.id,
    to_add_user_id: ann.id,
    peer: 'ann',
    message: 'hello',
    username: 'nobody',
    password: 'long enough to be one',
    reason: 'because',
    subject_type: 'role',
    subject_id: 'user',
    role_id: 'moderator',
    emoji: 'x',
    q: 'hello',
  })
  const { paths } = server.running.openApi() as { paths: Record<string, Record<string, Operation>> }
  const all = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
      .filter(({ method }) => !APART.has(`${method} ${path}`)),
  )
  for (const { method, path, operation } of all) {
    const asks = asker.malformed(method, path, operation)
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const ask of asks) await asker.ask(ask)
      }),
    )
  }
  expect(asker.asked).toBeGreaterThan(3000)
  expect(asker.wrong).toEqual([])
}, 120_000)
