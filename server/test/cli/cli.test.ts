import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { run } from '#cli/run.ts'
import { request } from '#test/http.ts'
import { startS3 } from '#test/s3.ts'
import { newPlace, startServer, type Place } from '#test/server.ts'
import { Worksite } from '#test/work.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const OWNER_PASSWORD = 'correct horse battery'

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  // oxlint-disable-next-line typescript/no-explicit-any -- results of every shape
  readonly json: () => any
}

interface RunOptions {
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Runs the program as a process of its own, without a terminal and with no settings but those given. */
async function pufferblow(
  dataDir: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [join(ROOT, 'bin/pufferblow.js'), ...args], {
    cwd: tmpdir(),
    env: {
      ...(process.env['PATH'] !== undefined && { PATH: process.env['PATH'] }),
      PUFFERBLOW_DATA_DIR: dataDir,
      ...options.env,
    },
  })
  child.stdin.end(options.input ?? '')
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await ended, stdout, stderr, json: () => JSON.parse(stdout) }
}

/** Runs a command in this process, for results that do not depend on being a process: much quicker. */
async function inProcess(
  dataDir: string,
  args: readonly string[],
  options: Pick<RunOptions, 'env'> = {},
): Promise<Ended> {
  let stdout = ''
  let stderr = ''
  const out = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    stdout += String(chunk)
    return true
  })
  const err = vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    stderr += String(chunk)
    return true
  })
  for (const [name, value] of Object.entries({ PUFFERBLOW_DATA_DIR: dataDir, ...options.env })) {
    vi.stubEnv(name, value)
  }
  process.exitCode = undefined
  try {
    await run(['node', 'pufferblow', ...args])
    return { code: Number(process.exitCode ?? 0), stdout, stderr, json: () => JSON.parse(stdout) }
  } finally {
    out.mockRestore()
    err.mockRestore()
    vi.unstubAllEnvs()
    process.exitCode = undefined
  }
}

const folders: string[] = []

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-cli-'))
  folders.push(folder)
  return folder
}

let prepared: { folder: string; setup: Ended }

beforeAll(async () => {
  const folder = join(emptyFolder(), 'data')
  const args = [
    'setup',
    '--owner',
    'Olga',
    '--server-name',
    'Book club',
    '--password-stdin',
    '--non-interactive',
  ]
  prepared = {
    folder,
    setup: await pufferblow(folder, [...args, '--json'], { input: `${OWNER_PASSWORD}\n` }),
  }
})

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A copy of a data folder that `setup` has made. */
function preparedFolder(): string {
  const folder = join(emptyFolder(), 'data')
  cpSync(prepared.folder, folder, { recursive: true, mode: 0 })
  return folder
}

/** A server in this process, to run commands beside. */
async function served() {
  const place: Place = await newPlace()
  const server = await startServer({ place })
  return {
    server,
    dataDir: place.dataDir,
    command: (...args: string[]) => inProcess(place.dataDir, args, { env: place.env }),
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await place[Symbol.asyncDispose]()
    },
  }
}

describe('calling', () => {
  const commands = [
    'serve',
    'setup',
    'user create',
    'user list',
    'user set-role',
    'user reset-password',
    'user sign-out-everywhere',
    'user ban',
    'user unban',
    'config show',
    'config check',
    'config manual',
    'doctor',
    'migrate status',
    'migrate up',
    'migrate down',
    'openapi',
    'version',
  ]

  test.each(commands)('%s explains itself, with an example', async (command) => {
    const { code, stdout } = await inProcess('/nonexistent', [...command.split(' '), '--help'])
    expect(code).toBe(0)
    expect(stdout).toContain(`Usage: pufferblow ${command}`)
    expect(stdout).toMatch(/Examples?:\n {2}\$ .*pufferblow/)
    expect(stdout).toContain('--data-dir')
  })

  test.each([
    ['nonsense'],
    ['serve --bogus'],
    ['user'],
    ['user create'],
    ['user set-role olga'],
    ['user ban olga --minutes soon'],
    ['user ban olga --minutes 0'],
    ['user create olga --role king'],
    ['user create olga --password-stdin --generate-password'],
    ['user create olga'],
    ['user create olga --password secret'],
    ['migrate down'],
    ['setup --non-interactive'],
    ['setup --owner olga'],
  ])('%s is wrong: exit code 2, and nothing is made', async (line) => {
    const folder = join(emptyFolder(), 'data')
    const { code, stdout, stderr } = await inProcess(folder, line.split(' '))
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).not.toContain('    at ')
    expect(existsSync(folder)).toBe(false)
  })

  test('the program itself hands on exit codes, and says the version', async () => {
    expect((await pufferblow('/nonexistent', ['version', '--bogus'])).code).toBe(2)
    const { code, json, stderr } = await pufferblow('/nonexistent', ['version', '--json'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(json()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/) as unknown,
      node: expect.any(String) as unknown,
      sqlite: expect.any(String) as unknown,
      platform: process.platform,
      arch: process.arch,
    })
  })
})

describe('setup', () => {
  test('makes folder, keys, database, configuration and the account of the owner', async () => {
    const { folder, setup } = prepared
    expect(setup).toMatchObject({ code: 0, stderr: '' })
    expect(setup.stdout).not.toContain(OWNER_PASSWORD)
    expect(setup.json()).toEqual({
      server_name: 'Book club',
      owner: { user_id: expect.any(String) as unknown, username: 'Olga' },
      data_dir: folder,
      config_file: join(folder, 'pufferblow.toml'),
      config_file_created: true,
    })
    for (const [path, mode] of [
      ['', 0o700],
      ['keys', 0o700],
      ['keys/master.key', 0o600],
      ['db', 0o700],
      ['pufferblow.toml', 0o600],
    ] as const) {
      expect(statSync(join(folder, path)).mode & 0o777, path).toBe(mode)
    }
  })

  test('leaves a server that its owner can sign in to', async () => {
    const dataDir = preparedFolder()
    const place: Place = { dataDir, env: {}, [Symbol.asyncDispose]: async () => {} }
    await using server = await startServer({ place })
    const credentials = { username: 'olga', password: server.secrets.add(OWNER_PASSWORD) }
    const { status, body } = await request(server, 'POST', '/api/v1/users/signin', { json: credentials })
    expect(status).toBe(200)
    server.secrets.add(body.auth_token)
    const info = await request(server, 'GET', '/api/v1/info')
    expect(info.body).toMatchObject({ server_name: 'Book club', has_owner: true })
  })

  test('writes a configuration whose every line is valid once it is no comment any more', async () => {
    const dataDir = preparedFolder()
    const file = join(dataDir, 'pufferblow.toml')
    const settings = readFileSync(file, 'utf8').replaceAll(/^#(?=\w+ = )/gm, '')
    expect(settings).toMatch(/^host = /m)
    writeFileSync(file, settings)
    expect(await inProcess(dataDir, ['config', 'check'])).toMatchObject({ code: 0, stderr: '' })
  })

  test('refuses a second owner, but renames the server', async () => {
    await using beside = await served()
    await beside.server.person('olga')
    const again = await inProcess(beside.dataDir, ['setup', '--owner', 'eve'], {
      env: { PUFFERBLOW_OWNER_PASSWORD: 'a password of eve' },
    })
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toBe(
      'pufferblow: this server has an owner already; more accounts: pufferblow user create\n',
    )
    expect(await beside.command('setup', '--server-name', 'Chess club')).toMatchObject({
      code: 0,
      stderr: '',
    })
    const info = await request(beside.server, 'GET', '/api/v1/info')
    expect(info.body.server_name).toBe('Chess club')
  })

  test('says in one line why a password or a name is refused, and takes a password from a file', async () => {
    const dataDir = join(emptyFolder(), 'data')
    const short = await pufferblow(dataDir, ['setup', '--owner', 'olga', '--password-stdin'], {
      input: 'short',
    })
    expect(short).toMatchObject({
      code: 1,
      stderr: 'pufferblow: password: must have at least 8 characters\n',
    })
    const file = join(dataDir, 'secret')
    writeFileSync(file, 'long enough\n')
    const named = await inProcess(dataDir, ['setup', '--owner', 'ol@ga', '--password-file', file])
    expect(named.code).toBe(1)
    expect(named.stderr).toMatch(/^pufferblow: username: [^\n]+\n$/)
    const right = await inProcess(dataDir, ['setup', '--owner', 'olga', '--password-file', file])
    expect(right).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('user', () => {
  test('creates, lists and promotes; the last owner stays', async () => {
    const dataDir = preparedFolder()
    const created = await inProcess(dataDir, ['user', 'create', 'Bob', '--generate-password', '--json'])
    expect(created).toMatchObject({ code: 0, stderr: '' })
    expect(created.json()).toEqual({
      user_id: expect.any(String) as unknown,
      username: 'Bob',
      role: 'user',
      password: expect.stringMatching(/^[\w-]{20}$/) as unknown,
    })
    const taken = await inProcess(dataDir, ['user', 'create', 'BOB', '--generate-password'])
    expect(taken).toMatchObject({ code: 1, stdout: '' })
    expect(taken.stderr).toMatch(/^pufferblow: .*already taken\n$/)

    const last = await inProcess(dataDir, ['user', 'set-role', 'olga', 'user'])
    expect(last.code).toBe(1)
    expect(last.stderr).toMatch(/^pufferblow: The last owner cannot vanish/)
    expect((await inProcess(dataDir, ['user', 'set-role', 'bob', 'owner'])).code).toBe(0)
    expect((await inProcess(dataDir, ['user', 'set-role', 'olga', 'user'])).code).toBe(0)
    const king = await inProcess(dataDir, ['user', 'set-role', 'olga', 'king'])
    expect(king).toMatchObject({ code: 1, stderr: "pufferblow: role: there is no role 'king'\n" })

    const list = await inProcess(dataDir, ['user', 'list', '--json'])
    expect(list.json()).toEqual([
      expect.objectContaining({ username: 'Bob', roles: ['owner'], last_seen_at: null }),
      expect.objectContaining({ username: 'Olga', roles: ['user'] }),
    ])
  })

  test('knows nobody by a wrong name, and makes no database in a wrong folder', async () => {
    const unknown = await inProcess(preparedFolder(), ['user', 'sign-out-everywhere', 'nobody'])
    expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: "pufferblow: User not found: 'nobody'\n" })
    const folder = join(emptyFolder(), 'mistyped')
    const nowhere = await inProcess(folder, ['user', 'list'])
    expect(nowhere.code).toBe(1)
    expect(nowhere.stderr).toMatch(/^pufferblow: there is no database in [^\n]+\n$/)
    expect(existsSync(folder)).toBe(false)
  })
})

describe('settings', () => {
  test('lists, changes and resets what owners set, and refuses what is not allowed', async () => {
    const folder = preparedFolder()
    const settings = (...args: string[]): Promise<Ended> => inProcess(folder, ['settings', ...args])
    const changed = await settings('set', 'max_rate_limit_requests=12000', 'server_name=Chess club')
    expect(changed).toMatchObject({
      code: 0,
      stdout: 'max_rate_limit_requests is now 12000\nserver_name is now "Chess club"\n',
    })
    const listed = await settings('list', '--json')
    expect(listed.json()).toMatchObject({ max_rate_limit_requests: 12_000, server_name: 'Chess club' })
    expect((await settings('list')).stdout).toMatch(/^max_rate_limit_requests +12000 +default: 6000$/m)
    expect(await settings('reset', 'max_rate_limit_requests')).toMatchObject({ code: 0 })
    expect((await settings('list', '--json')).json()).toMatchObject({ max_rate_limit_requests: 6000 })
    for (const [args, reason] of [
      [['set', 'max_rate_limit_requests=0'], /max_rate_limit_requests: .*>=5/],
      [['set', 'max_rate_limit_requests=many'], /max_rate_limit_requests: .*number/],
      [['set', 'server_name=x', 'no_such=1'], /no_such: there is no such setting/],
      [['set', '__proto__=1'], /there is no such setting/],
      [['set', 'server_name'], /not of the form name=value/],
      [['reset', 'no_such'], /there is no setting no_such/],
    ] as const) {
      const refused = await settings(...args)
      expect(refused.code).toBe(1)
      expect(refused.stderr).toMatch(reason)
    }
    expect((await settings('list', '--json')).json()).toMatchObject({ server_name: 'Chess club' })
  })
})

test('blocked-ips blocks, lists, unblocks and clears', async () => {
  const folder = preparedFolder()
  const blockedIps = (...args: string[]): Promise<Ended> => inProcess(folder, ['blocked-ips', ...args])
  expect((await blockedIps('block', '192.0.2.99/24', '--reason', 'flood', '--minutes', '5')).stdout).toBe(
    '192.0.2.0/24 is blocked\n',
  )
  expect(await blockedIps('block', '2001:db8::1')).toMatchObject({ code: 0 })
  expect((await blockedIps('list', '--json')).json()).toMatchObject([
    { ip: '2001:db8::1', reason: 'blocked by the operator', expires_at: null, blocked_by: null },
    { ip: '192.0.2.0/24', reason: 'flood', automatic: false },
  ])
  expect((await blockedIps('list')).stdout).toMatch(/^2001:db8::1 .* for good +operator +0 +blocked by/m)
  expect((await blockedIps('unblock', '2001:DB8:0::1')).stdout).toBe('2001:db8::1 is not blocked any more\n')
  expect((await blockedIps('clear')).stdout).toBe('1 block was lifted\n')
  for (const [args, reason] of [
    [['block', '127.0.0.1'], /This machine itself cannot be blocked/],
    [['block', 'nonsense'], /ip: must be an IP address/],
    [['unblock', '192.0.2.1'], /192\.0\.2\.1 is not blocked/],
  ] as const) {
    const refused = await blockedIps(...args)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toMatch(reason)
  }
  expect((await blockedIps('block', '192.0.2.1', '--minutes', '0')).code).toBe(2)
})

test('invites are made, listed and revoked, and let people in', async () => {
  const dataDir = preparedFolder()
  const invite = (...args: string[]): Promise<Ended> => inProcess(dataDir, ['invite', ...args])
  const [one, two] = [
    (await invite('create', '--uses', '1', '--days', '7')).stdout.trim(),
    (await invite('create')).stdout.trim(),
  ]
  expect((await invite('list', '--json')).json()).toMatchObject([
    { code: two, uses: 0, max_uses: null, expires_at: null, created_by: null },
    { code: one, uses: 0, max_uses: 1 },
  ])
  expect((await invite('list')).stdout).toMatch(new RegExp(`^${one} +0 of 1 +\\d{4}-\\S+ +operator`, 'm'))
  expect((await invite('revoke', two)).stdout).toBe('The invite was revoked\n')
  expect((await invite('revoke', two)).code).toBe(1)
  expect((await invite('create', '--uses', '0')).code).toBe(2)

  await using server = await startServer({
    place: { dataDir, env: {}, [Symbol.asyncDispose]: async () => {} },
    settings: { registration: 'invite' },
  })
  expect((await request(server, 'GET', '/api/v1/info')).body.registration).toBe('invite')
  const signUp = async (username: string, invite_code?: string): Promise<number> => {
    const password = server.secrets.add(crypto.randomUUID())
    const json = { username, password, invite_code }
    return (await request(server, 'POST', '/api/v1/users/signup', { json })).status
  }
  expect(await Promise.all([signUp('ann'), signUp('bob', two)])).toEqual([403, 403])
  expect(await signUp('cat', one)).toBe(201)
  expect(await signUp('dan', one)).toBe(403)
})

describe('beside a running server', () => {
  test('addresses are blocked and let in at once', async () => {
    await using place = await newPlace()
    await using server = await startServer({ place, env: { TRUSTED_PROXIES: '127.0.0.1' } })
    const headers = { 'x-forwarded-for': '192.0.2.7' }
    const status = async (): Promise<number> =>
      (await request(server, 'GET', '/api/v1/info', { headers })).status
    expect((await pufferblow(place.dataDir, ['blocked-ips', 'block', '192.0.2.7'])).code).toBe(0)
    expect(await status()).toBe(403)
    expect((await pufferblow(place.dataDir, ['blocked-ips', 'clear'])).code).toBe(0)
    expect(await status()).toBe(200)
  })

  test('a changed setting acts at once', async () => {
    await using place = await newPlace()
    await using server = await startServer({ place })
    const { code } = await pufferblow(place.dataDir, ['settings', 'set', 'max_rate_limit_requests=7'])
    expect(code).toBe(0)
    const limit = async (): Promise<string | null> =>
      (await request(server, 'GET', '/api/v1/info')).headers.get('x-ratelimit-limit')
    await expect.poll(limit).toBe('7')
  })

  test('a changed role acts at once: on requests, and on sockets that may not see their channel any more', async () => {
    await using beside = await served()
    const [olga, anna] = await beside.server.people('olga', 'anna')
    const channel = await olga!.createChannel('board', { private: true })
    expect((await anna!.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(404)

    expect(await beside.command('user', 'set-role', 'anna', 'admin')).toMatchObject({ code: 0, stderr: '' })
    expect((await anna!.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(200)
    using everything = await anna!.connect()
    using one = await anna!.connect({ channel })
    await one.settled()

    expect(await beside.command('user', 'set-role', 'anna', 'user')).toMatchObject({ code: 0, stderr: '' })
    expect(await one.closed()).toMatchObject({ code: 1008 })
    expect((await anna!.get(`/api/v1/channels/${channel}/load_messages`)).status).toBe(404)
    await olga!.send(channel, 'not for anna')
    await everything.settled()
    expect(everything.texts).toEqual([])
  })

  test('a ban and its end act at once, owners cannot be banned, and whoever becomes one is free', async () => {
    await using beside = await served()
    const [, anna] = await beside.server.people('olga', 'anna')
    using socket = await anna!.connect()
    const banned = await beside.command('user', 'ban', 'anna', '--reason', 'spam', '--json')
    expect(banned).toMatchObject({ code: 0, stderr: '' })
    expect(banned.json()).toEqual({ user_id: anna!.id, username: 'anna', ended_sessions: 1 })
    expect(await socket.next('moderation_state_changed')).toMatchObject({
      moderation_state: { is_banned: true, ban_reason: 'spam' },
    })
    expect(await socket.closed()).toMatchObject({ code: 1008 })
    expect((await anna!.post('/api/v1/users/profile')).status).toBe(403)
    expect((await beside.command('user', 'list')).stdout).toMatch(/anna +user +banned/)
    expect(await beside.command('user', 'ban', 'olga')).toMatchObject({ code: 1 })
    const freed = await beside.command('user', 'unban', 'anna')
    expect(freed).toMatchObject({ code: 0, stdout: 'anna is free again\n', stderr: '' })
    expect((await beside.command('user', 'unban', 'anna')).stdout).toBe('anna was free already\n')
    await anna!.signIn()
    await beside.command('user', 'ban', 'anna', '--minutes', '60')
    await beside.command('user', 'set-role', 'anna', 'owner')
    const owner = await anna!.signIn()
    const { body } = await owner.get('/api/v1/system/audit-log', { query: { target_id: anna!.id } })
    expect(body.entries.map(({ action, actor }: { action: string; actor: null }) => [action, actor])).toEqual(
      [
        ['user.roles_changed', null],
        ['user.banned', null],
        ['user.unbanned', null],
        ['user.banned', null],
      ],
    )
  })

  test('who is signed out everywhere loses sockets and tokens at once, and nobody else does', async () => {
    await using beside = await served()
    const [olga, anna] = await beside.server.people('olga', 'anna')
    const second = await anna!.signIn()
    using socket = await anna!.connect()
    using other = await olga!.connect()
    expect((await second.get('/api/v1/auth/sessions')).status).toBe(200)

    const done = await beside.command('user', 'sign-out-everywhere', 'Anna', '--json')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(done.json()).toEqual({ user_id: anna!.id, username: 'anna', ended_sessions: 2 })
    expect(await socket.closed()).toMatchObject({ code: 1008 })
    expect((await second.get('/api/v1/auth/sessions')).status).toBe(401)
    await other.settled()
    expect((await anna!.signIn()).token).not.toBe('')
  })

  test('a password that was reset ends all sessions and replaces the old one', async () => {
    await using beside = await served()
    const anna = await beside.server.person('anna')
    using socket = await anna.connect()
    const done = await beside.command('user', 'reset-password', 'anna', '--generate-password', '--json')
    expect(done).toMatchObject({ code: 0, stderr: '' })
    expect(await socket.closed()).toMatchObject({ code: 1008 })
    const signIn = (password: string) =>
      request(beside.server, 'POST', '/api/v1/users/signin', { json: { username: 'anna', password } })
    expect((await signIn(anna.password)).status).toBe(401)
    const { status, body } = await signIn(beside.server.secrets.add(done.json().password as string))
    expect(status).toBe(200)
    beside.server.secrets.add(body.auth_token)
  })
})

describe('jobs', () => {
  test('lists what was given up, and has a running server try it again, or forgets it', async () => {
    await using place = await newPlace()
    await using server = await startServer({ place })
    const site = new Worksite(server, { attempts: 1 })
    for (const name of ['a', 'b', 'c']) {
      await server.ctx.db.transact(async (tx) =>
        tx.enqueue({ type: 'test.work', payload: { name }, key: name }),
      )
      ;(await site.next()).fail(new Error(`no ${name}`))
    }
    const list = async () => (await inProcess(place.dataDir, ['jobs', 'list', '--json'])).json()
    await expect.poll(list).toHaveLength(3)
    const letters = await list()
    expect(letters[2]).toEqual({
      id: expect.any(Number),
      type: 'test.work',
      payload: { name: 'a' },
      key: 'a',
      queue: null,
      tries: 1,
      reason: 'no a',
      created_at: expect.any(String),
      given_up_at: expect.any(String),
    })
    const table = await inProcess(place.dataDir, ['jobs', 'list'])
    expect(table.stdout).toMatch(/test\.work .*no b/)
    const retried = await inProcess(place.dataDir, ['jobs', 'retry', String(letters[2].id)])
    expect(retried).toMatchObject({ code: 0, stdout: '1 job enqueued again\n' })
    const again = await site.next()
    expect(again).toMatchObject({ name: 'a', info: { attempt: 1 } })
    again.succeed()
    for (const args of [[], ['--all', '1'], ['99999999'], ['x'], [String(letters[0].id), '99999999']]) {
      expect((await inProcess(place.dataDir, ['jobs', 'drop', ...args])).code, args.join()).toBeGreaterThan(0)
    }
    expect(await list()).toHaveLength(2)
    expect((await inProcess(place.dataDir, ['jobs', 'drop', '--all', '--json'])).json()).toEqual({ jobs: 2 })
    expect((await inProcess(place.dataDir, ['jobs', 'list'])).stdout).toBe('No job was given up\n')
  })
})

describe('search', () => {
  test('tells how far the index is, and makes it anew: by itself, or through the server that runs', async () => {
    await using place = await newPlace()
    const search = (...args: string[]) => inProcess(place.dataDir, ['search', ...args])
    {
      await using server = await startServer({ place })
      const owner = await server.person('owner')
      await owner.send(await owner.createChannel('general'), 'a word')
      const status = await search('status', '--json')
      expect(status).toMatchObject({ code: 0, stderr: '' })
      expect(status.json().messages).toBe(1)
      const before = server.ctx.search.generation.id
      expect(await search('reindex', '--new-key')).toMatchObject({
        code: 0,
        stdout: 'The running server does it in the background; see: pufferblow search status\n',
      })
      await expect.poll(() => server.ctx.search.generation.id).toBeGreaterThan(before)
      await expect
        .poll(async () => (await search('status', '--json')).json(), { timeout: 10_000 })
        .toEqual({
          messages: 1,
          indexed: 1,
          complete: true,
        })
    }
    expect((await search('reindex', '--json')).json()).toEqual({ in_background: false, indexed: 0 })
    expect(await search('reindex', '--new-key')).toMatchObject({
      code: 0,
      stdout: '1 message indexed; the index is complete\n',
    })
    expect((await search('status')).stdout).toBe('1 of 1 messages are indexed\nThe index is complete\n')
  })
})

describe('config', () => {
  test('shows every value, where it comes from, and no secret', async () => {
    const dataDir = emptyFolder()
    writeFileSync(join(dataDir, 'pufferblow.toml'), '[server]\ntrusted_proxies = ["10.0.0.1"]\n')
    const env = {
      PUFFERBLOW_PORT: '8123',
      PUFFERBLOW_METRICS_TOKEN: 'token-of-the-metrics',
      PUFFERBLOW_DATABASE_URL: 'postgres://puffer:s3cret-word@localhost/chat',
    }
    const shown = await inProcess(dataDir, ['config', 'show', '--json'], { env })
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    const { settings, ...rest } = shown.json()
    expect(rest).toEqual({ file: join(dataDir, 'pufferblow.toml'), file_exists: true })
    const byPath = (path: string) =>
      (settings as { path: string }[]).find((setting) => setting.path === path) as object
    expect(byPath('server.port')).toMatchObject({ value: 8123, source: 'environment', default: '7575' })
    expect(byPath('server.trusted_proxies')).toMatchObject({ value: ['10.0.0.1'], source: 'file' })
    expect(byPath('metrics.token')).toMatchObject({ value: '***' })
    const table = await inProcess(dataDir, ['config', 'show'], { env })
    expect(table.stdout).toMatch(/^server\.port +8123 +PUFFERBLOW_PORT$/m)
    for (const { stdout } of [shown, table]) {
      expect(stdout).not.toContain('s3cret-word')
      expect(stdout).not.toContain('token-of-the-metrics')
    }
  })

  test('tells all problems at once; other commands fail with the same', async () => {
    const dataDir = emptyFolder()
    writeFileSync(join(dataDir, 'pufferblow.toml'), '[server]\nprot = 1\nhost = 7\n')
    const env = { PUFFERBLOW_REGISTRATION: 'maybe' }
    const json = await inProcess(dataDir, ['config', 'check', '--json'], { env })
    expect(json.code).toBe(1)
    expect(json.json()).toMatchObject({ ok: false, problems: { length: 3 } })
    const check = await inProcess(dataDir, ['config', 'check'], { env })
    expect(check.code).toBe(1)
    expect(check.stderr).toContain('did you mean server.port?')
    expect(check.stderr).not.toContain('    at ')
    const list = await inProcess(dataDir, ['user', 'list'], { env })
    expect(list).toMatchObject({ code: 1, stdout: '', stderr: check.stderr })
  })

  test('prints the manual', async () => {
    const { code, stdout } = await inProcess(emptyFolder(), ['config', 'manual'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^# Configuration\n/)
  })
})

interface Check {
  readonly name: string
  readonly status: string
  readonly found: string
  readonly advice?: string
}

function checkOf(doctor: Ended, name: string): Check {
  return (doctor.json().checks as Check[]).find((check) => check.name === name)!
}

describe('doctor', () => {
  test('finds a new folder and one that was set up healthy', async () => {
    const env = { PUFFERBLOW_PORT: '0' }
    const folder = join(emptyFolder(), 'data')
    const fresh = await inProcess(folder, ['doctor', '--json'], { env })
    expect(fresh.json()).toMatchObject({ ok: true })
    expect(existsSync(folder)).toBe(false)
    const doctor = await inProcess(preparedFolder(), ['doctor', '--json'], { env })
    expect(doctor).toMatchObject({ code: 0, stderr: '' })
    for (const name of [
      'data folder',
      'master key',
      'data keys',
      'integrity',
      'migrations',
      'files on disk',
    ]) {
      expect(checkOf(doctor, name), name).toMatchObject({ status: 'ok' })
    }
  })

  test('finds what is wrong, and says what to do', async () => {
    const dataDir = preparedFolder()
    chmodSync(dataDir, 0o755)
    chmodSync(join(dataDir, 'keys/master.key'), 0o644)
    await using other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const env = {
      PUFFERBLOW_PORT: String((other.address() as AddressInfo).port),
      PUFFERBLOW_PUBLIC_ORIGIN: 'https://chat.example.org',
    }
    const doctor = await inProcess(dataDir, ['doctor', '--json'], { env })
    expect(doctor.code).toBe(1)
    expect(doctor.json()).toMatchObject({ ok: false })
    expect(checkOf(doctor, 'data folder')).toMatchObject({
      status: 'warn',
      advice: `run: chmod 700 ${dataDir}`,
    })
    expect(checkOf(doctor, 'master key')).toMatchObject({ status: 'fail' })
    expect(checkOf(doctor, 'port')).toMatchObject({ status: 'fail' })
    expect(checkOf(doctor, 'public origin')).toMatchObject({ status: 'warn' })
    expect(checkOf(doctor, 'integrity')).toMatchObject({ status: 'ok' })
    const lines = await inProcess(dataDir, ['doctor'], { env })
    expect(lines.code).toBe(1)
    expect(lines.stdout).toMatch(/^fail {2}port: .*\n {6}→ /m)
  })

  test('tries out where files are kept, on disk and in S3, and says what does not work', async () => {
    await using s3 = await startS3()
    const bucket = Object.fromEntries(
      Object.entries(s3.env).map(([name, value]) => [`PUFFERBLOW_${name}`, value]),
    )
    const env = { PUFFERBLOW_PORT: '0', ...bucket }
    const dataDir = preparedFolder()
    mkdirSync(join(dataDir, 'files'), { recursive: true, mode: 0o700 })
    const doctor = await inProcess(dataDir, ['doctor', '--json'], { env })
    expect(checkOf(doctor, 'files in S3')).toMatchObject({ status: 'ok' })
    expect(checkOf(doctor, 'files on disk')).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('MB are free'),
    })
    expect(readdirSync(join(dataDir, 'files'))).toEqual([])

    for (const [name, value, reason] of [
      ['PUFFERBLOW_S3_BUCKET', 'nowhere', 'does not serve'],
      ['PUFFERBLOW_S3_ENDPOINT', 'http://127.0.0.1:9', 'does not serve'],
    ] as const) {
      const broken = await inProcess(dataDir, ['doctor', '--json'], { env: { ...env, [name]: value } })
      expect(broken.code).toBe(1)
      expect(checkOf(broken, 'files in S3')).toMatchObject({
        status: 'fail',
        found: expect.stringContaining(reason),
        advice: expect.stringContaining('storage.s3_'),
      })
      expect(broken.stdout).not.toContain(s3.env['S3_SECRET_KEY'])
    }

    rmSync(join(dataDir, 'files'), { recursive: true })
    writeFileSync(join(dataDir, 'files'), 'no folder')
    const noFolder = await inProcess(dataDir, ['doctor', '--json'], { env: { PUFFERBLOW_PORT: '0' } })
    expect(checkOf(noFolder, 'files on disk')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('ENOTDIR'),
    })
    const full = { PUFFERBLOW_PORT: '0', PUFFERBLOW_STORAGE_MIN_FREE_MB: '1000000' }
    rmSync(join(dataDir, 'files'))
    mkdirSync(join(dataDir, 'files'))
    const crowded = await inProcess(dataDir, ['doctor', '--json'], { env: full })
    expect(checkOf(crowded, 'files on disk')).toMatchObject({
      status: 'fail',
      found: expect.stringContaining('are refused below'),
    })
  })

  test('finds a Redis that does not answer, which is no failure', async () => {
    const env = { PUFFERBLOW_PORT: '0', PUFFERBLOW_REDIS_URL: 'unix:/nowhere/redis.sock' }
    const doctor = await inProcess(preparedFolder(), ['doctor', '--json'], { env })
    expect(doctor.code).toBe(0)
    expect(checkOf(doctor, 'redis')).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('ENOENT'),
    })
  })

  test('a lost master key is missed by the server, which makes no other in its place', async () => {
    const dataDir = preparedFolder()
    const key = join(dataDir, 'keys/master.key')
    rmSync(key)
    const served = await pufferblow(dataDir, ['serve'], { env: { PUFFERBLOW_PORT: '0' } })
    expect(served.code).toBe(1)
    expect(served.stderr).toContain(`The master key ${key} is missing`)
    expect(existsSync(key)).toBe(false)
  })

  test('finds a damaged database, a lost key and a broken configuration', async () => {
    const dataDir = preparedFolder()
    const file = join(dataDir, 'db/pufferblow.sqlite')
    const bytes = readFileSync(file)
    bytes.fill(0x5a, 4096 * 3, 4096 * 6)
    writeFileSync(file, bytes)
    rmSync(join(dataDir, 'keys/master.key'))
    const doctor = await inProcess(dataDir, ['doctor', '--json'], { env: { PUFFERBLOW_PORT: '0' } })
    expect(doctor.code).toBe(1)
    expect(checkOf(doctor, 'master key')).toMatchObject({ status: 'fail' })
    const failed = (doctor.json().checks as Check[]).filter(({ status }) => status === 'fail')
    expect(failed.some(({ name }) => name === 'integrity' || name === 'database')).toBe(true)
    const broken = await inProcess(dataDir, ['doctor', '--json'], { env: { PUFFERBLOW_PORT: 'x' } })
    expect(broken.code).toBe(1)
    expect(checkOf(broken, 'configuration')).toMatchObject({ status: 'fail' })
  })
})

describe('migrate', () => {
  test('shows what is pending without applying it, applies it and undoes it', async () => {
    const dataDir = join(emptyFolder(), 'data')
    const before = await inProcess(dataDir, ['migrate', 'status', '--check', '--json'])
    expect(before.code).toBe(1)
    const { pending, newer, migrations } = before.json()
    expect({ newer, all: migrations.length as number }).toEqual({ newer: false, all: pending as number })
    expect(migrations[0]).toEqual({ name: '0001-core', state: 'pending', applied_at: null })
    expect(existsSync(dataDir)).toBe(false)

    const up = await inProcess(dataDir, ['migrate', 'up', '--json'])
    expect(up).toMatchObject({ code: 0, stderr: '' })
    expect(up.json().applied).toHaveLength(pending as number)
    const after = await inProcess(dataDir, ['migrate', 'status', '--check'])
    expect(after.code).toBe(0)
    expect(after.stdout).toMatch(/^0001-core +applied +\d{4}-/m)

    const down = await inProcess(dataDir, ['migrate', 'down', '--yes', '--json'])
    expect(down.json()).toEqual({ undone: [migrations.at(-1).name] })
    expect((await inProcess(dataDir, ['migrate', 'status', '--check'])).code).toBe(1)
  })

  test('migrations are left alone, and doctor recognises the server on its port', async () => {
    await using beside = await served()
    const { port } = new URL(beside.server.url)
    const env = { PUFFERBLOW_PORT: port }
    for (const command of ['up', 'down --yes']) {
      const refused = await inProcess(beside.dataDir, ['migrate', ...command.split(' ')])
      expect(refused).toMatchObject({ code: 1, stdout: '' })
      expect(refused.stderr).toMatch(/^pufferblow: .*running.*\n$/)
    }
    expect((await inProcess(beside.dataDir, ['migrate', 'status', '--check'])).code).toBe(0)
    const doctor = await inProcess(beside.dataDir, ['doctor', '--json'], { env })
    expect(doctor.json()).toMatchObject({ ok: true })
    expect(checkOf(doctor, 'port').found).toContain('is served by the server of this data folder')
  })
})

test('openapi prints what a server serves, whatever the configuration', async () => {
  const printed = await inProcess('/nonexistent', ['openapi'], { env: { PUFFERBLOW_PORT: 'wrong' } })
  expect(printed).toMatchObject({ code: 0, stderr: '' })
  await using place = await newPlace()
  await using server = await startServer({ place })
  const { servers, ...document } = server.running.openApi()
  expect(servers).toHaveLength(1)
  expect(printed.json()).toMatchObject(document)
  expect(printed.json().servers).toEqual([{ url: 'http://127.0.0.1:7575' }])
})
