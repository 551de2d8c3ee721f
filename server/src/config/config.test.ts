import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { stringify } from 'smol-toml'
import { afterEach, describe, expect, test } from 'vitest'
import { configManual, describeConfig } from './describe.ts'
import { ConfigError, databaseUrlOf, loadConfig, originOf, type LoadedConfig } from './load.ts'
import { maskDatabaseUrl } from './mask.ts'
import { editDistance, nearest } from './nearest.ts'
import type { Env } from './read-env.ts'
import { SECTIONS, SETTING_PATHS, SETTINGS, settingOf, type Config } from './schema.ts'

const folders: string[] = []
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })))

function load(toml?: string, env: Env = {}, mode = 0o600): LoadedConfig {
  const dataDir = mkdtempSync(join(tmpdir(), 'pufferblow-config-'))
  folders.push(dataDir)
  if (toml !== undefined) writeFileSync(join(dataDir, 'pufferblow.toml'), toml, { mode })
  return loadConfig({ env, dataDir })
}

function problemsOf(toml?: string, env: Env = {}): readonly string[] {
  try {
    load(toml, env)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map((problem) => problem.replaceAll(/\/\S*\//g, ''))
    throw error
  }
  return []
}

describe('the table of settings', () => {
  test('every default is allowed, apart from what is worked out', () => {
    for (const path of SETTING_PATHS) {
      expect(settingOf(path).kind.type.safeParse(settingOf(path).default), path).toMatchObject({
        success: true,
      })
    }
  })

  test('environment names are unique and follow the rule unless scripts rely on a shorter one', () => {
    const short = {
      'server.host': 'PUFFERBLOW_HOST',
      'server.port': 'PUFFERBLOW_PORT',
      'server.public_origin': 'PUFFERBLOW_PUBLIC_ORIGIN',
      'server.trusted_proxies': 'PUFFERBLOW_TRUSTED_PROXIES',
      'server.cors_origins': 'PUFFERBLOW_CORS_ORIGINS',
      'accounts.registration': 'PUFFERBLOW_REGISTRATION',
      'storage.s3_prefix': 'PUFFERBLOW_S3_PREFIX',
      'metrics.enabled': 'PUFFERBLOW_METRICS',
      'storage.s3_endpoint': 'PUFFERBLOW_S3_ENDPOINT',
      'storage.s3_bucket': 'PUFFERBLOW_S3_BUCKET',
      'storage.s3_region': 'PUFFERBLOW_S3_REGION',
      'storage.s3_access_key': 'PUFFERBLOW_S3_ACCESS_KEY',
      'storage.s3_secret_key': 'PUFFERBLOW_S3_SECRET_KEY',
    } as Record<string, string>
    for (const path of SETTING_PATHS) {
      const rule = `PUFFERBLOW_${path.replace('.', '_').toUpperCase()}`
      expect(settingOf(path).env).toBe(short[path] ?? rule)
    }
    expect(new Set(SETTING_PATHS.map((path) => settingOf(path).env)).size).toBe(SETTING_PATHS.length)
  })

  test('a setting is in a known section or only in the environment', () => {
    for (const path of SETTING_PATHS) {
      const [section = ''] = path.split('.')
      expect(Object.hasOwn(SECTIONS, section) || settingOf(path).envOnly === true, path).toBe(true)
    }
  })
})

describe('loading', () => {
  test('without file and environment every default holds', () => {
    const { config, sources, warnings, fileExists } = load()
    expect(config.server).toEqual({
      host: '127.0.0.1',
      port: 7575,
      public_origin: 'http://127.0.0.1:7575',
      trusted_proxies: [],
      cors_origins: ['*'],
      body_limit_kb: 1024,
      shutdown_seconds: 10,
    })
    expect(config.master_key).toBeUndefined()
    expect(databaseUrlOf(config)).toBe(`sqlite:${config.data_dir}/db/pufferblow.sqlite`)
    expect(new Set(Object.values({ ...sources, data_dir: 'default' }))).toEqual(new Set(['default']))
    expect(warnings).toEqual([])
    expect(fileExists).toBe(false)
  })

  test('the environment wins over the file, the file over the default', () => {
    const { config, sources } = load('[server]\nport = 80\nhost = "::1"', { PUFFERBLOW_PORT: '81' })
    expect(config.server).toMatchObject({ port: 81, host: '::1', public_origin: 'http://[::1]:81' })
    expect([sources['server.port'], sources['server.host'], sources['log.level']]).toEqual([
      'environment',
      'file',
      'default',
    ])
  })

  test('false, zero and an empty list are values, not gaps', () => {
    const toml = '[metrics]\nenabled = false\n[server]\nport = 0\ncors_origins = []'
    const { config } = load(toml)
    expect([config.metrics.enabled, config.server.port, config.server.cors_origins]).toEqual([false, 0, []])
  })

  test('an empty variable counts as not set', () => {
    const { config, sources } = load('[server]\nport = 80', { PUFFERBLOW_PORT: ' ', PUFFERBLOW_HOST: '' })
    expect([config.server.port, sources['server.port'], sources['server.host']]).toEqual([
      80,
      'file',
      'default',
    ])
  })

  test('the data folder comes from the caller, else from the environment, else it is ./data', () => {
    expect(loadConfig({ env: {} }).config.data_dir).toBe(resolve('data'))
    const named = loadConfig({ env: { PUFFERBLOW_DATA_DIR: '/nowhere/a' } })
    expect([named.config.data_dir, named.sources.data_dir]).toEqual(['/nowhere/a', 'environment'])
    const given = loadConfig({ env: { PUFFERBLOW_DATA_DIR: '/nowhere/a' }, dataDir: '/nowhere/b' })
    expect([given.config.data_dir, given.sources.data_dir]).toEqual(['/nowhere/b', 'argument'])
    expect(given.file).toBe('/nowhere/b/pufferblow.toml')
  })

  test('the result cannot be changed', () => {
    const { config } = load('[server]\ntrusted_proxies = ["::1"]')
    expect(() => Object.assign(config.server, { port: 1 })).toThrow(TypeError)
    expect(() => (config.server.trusted_proxies as string[]).push('x')).toThrow(TypeError)
    expect(Object.isFrozen(load().config.server.cors_origins)).toBe(true)
    expect(Object.isFrozen(SETTINGS['server.cors_origins'].default)).toBe(false)
  })

  test.each([
    ['1', true],
    ['TRUE', true],
    ['yes', true],
    ['on', true],
    ['0', false],
    ['false', false],
    ['No', false],
    ['off', false],
  ])('the variable %s means %s', (text, value) => {
    expect(load(undefined, { PUFFERBLOW_COMPAT_UPSTREAM_CLIENT: text }).config.compat.upstream_client).toBe(
      value,
    )
  })

  test('a list in the environment is separated by commas', () => {
    const { config } = load(undefined, { PUFFERBLOW_TRUSTED_PROXIES: ' 10.0.0.0/8, ::1,' })
    expect(config.server.trusted_proxies).toEqual(['10.0.0.0/8', '::1'])
  })

  test('origins get one spelling', () => {
    const { config } = load(undefined, {
      PUFFERBLOW_PUBLIC_ORIGIN: 'HTTPS://Chat.Example.org:443/',
      PUFFERBLOW_CORS_ORIGINS: 'https://A.example,tauri://localhost',
    })
    expect(config.server.public_origin).toBe('https://chat.example.org')
    expect(config.server.cors_origins).toEqual(['https://a.example', 'tauri://localhost'])
  })

  test('a listener on every interface is reached as localhost', () => {
    expect(['0.0.0.0', '::', '::1', 'chat.lan'].map((host) => originOf(host, 7575))).toEqual([
      'http://localhost:7575',
      'http://localhost:7575',
      'http://[::1]:7575',
      'http://chat.lan:7575',
    ])
  })

  test('what is written is what is read, from the file and from the environment', () => {
    const settings = fc.record({
      port: fc.integer({ min: 0, max: 65535 }),
      level: fc.constantFrom(...(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const)),
      enabled: fc.boolean(),
      proxies: fc.uniqueArray(fc.oneof(fc.ipV4(), fc.ipV6()), { minLength: 1 }),
    })
    fc.assert(
      fc.property(settings, ({ port, level, enabled, proxies }) => {
        const toml = { server: { port, trusted_proxies: proxies }, log: { level }, metrics: { enabled } }
        const env = {
          PUFFERBLOW_PORT: String(port),
          PUFFERBLOW_TRUSTED_PROXIES: proxies.join(),
          PUFFERBLOW_LOG_LEVEL: level,
          PUFFERBLOW_METRICS: String(enabled),
        }
        for (const { config } of [load(stringify(toml)), load(undefined, env)]) {
          expect(config).toMatchObject(toml)
        }
      }),
      { numRuns: 50 },
    )
  })
})

describe('mistakes', () => {
  test('all of them are told at once, with place, finding and what is allowed', () => {
    const toml = '[server]\nport = "http"\nbody_limit_kb = 1.5\n[accounts]\nregistration = "maybe"'
    expect(problemsOf(toml, { PUFFERBLOW_LOG_LEVEL: 'loud', PUFFERBLOW_METRICS: 'perhaps' })).toEqual([
      'pufferblow.toml: server.port: found "http", allowed is a whole number from 0 to 65535',
      'pufferblow.toml: server.body_limit_kb: found 1.5, allowed is a whole number from 16 to 65536',
      'pufferblow.toml: accounts.registration: found "maybe", allowed is one of open, invite, closed',
      'environment variable PUFFERBLOW_LOG_LEVEL (log.level): found "loud", allowed is one of fatal, error, warn, info, debug, trace, silent',
      'environment variable PUFFERBLOW_METRICS (metrics.enabled): found "perhaps", allowed is true or false (in the environment also 1, 0, yes, no, on, off)',
    ])
  })

  test('the message starts with how many there are', () => {
    expect(() => load('[server]\nport = -1')).toThrow(/^The configuration has a problem:\n {2}- /)
    expect(() => load('[server]\nport = -1\nhost = 1')).toThrow(/^The configuration has 2 problems:\n {2}- /)
  })

  test('a secret is not repeated', () => {
    const problems = problemsOf(
      '[database]\nurl = "mysql://root:hunter2@db/x"\n[metrics]\ntoken = "hunter 2"',
      {
        PUFFERBLOW_MASTER_KEY: 'hunter2',
      },
    )
    expect(problems).toHaveLength(3)
    expect(problems.join('\n')).not.toMatch(/hunter/)
    expect(problems[0]).toContain('database.url: found (hidden), allowed is sqlite:<path>')
  })

  test.each([
    ['[server]\nprot = 1', 'unknown setting server.prot; did you mean server.port?'],
    ['[server]\nlevel = "info"', 'unknown setting server.level; did you mean log.level?'],
    [
      '[accounts]\nregistrations = 1',
      'unknown setting accounts.registrations; did you mean accounts.registration?',
    ],
    ['[sever]\nport = 1', 'unknown section or setting sever; did you mean [server]?'],
    ['port = 1', 'unknown section or setting port; did you mean server.port?'],
    ['"server.port" = 1', 'unknown section or setting server.port'],
    ['[weather]\nsunny = true', 'unknown section or setting weather'],
    ['[server]\nconstructor = 1', 'unknown setting server.constructor'],
    ['server = 1', 'server is a section, write it as [server]'],
    ['[[server]]\nport = 1', 'server is a section, write it as [server]'],
    ['[server.port]\na = 1', 'server.port: found {"a":1}, allowed is a whole number from 0 to 65535'],
    [
      'data_dir = "x"',
      'data_dir cannot be set in the file, use the environment variable PUFFERBLOW_DATA_DIR',
    ],
    [
      'master_key = "x"',
      'master_key cannot be set in the file, use the environment variable PUFFERBLOW_MASTER_KEY',
    ],
  ])('%j is refused', (toml, problem) => {
    expect(problemsOf(toml)).toEqual([expect.stringContaining(`pufferblow.toml: ${problem}`)])
  })

  test('a syntax error is placed and quotes nothing of the file', () => {
    const problems = problemsOf('[metrics]\ntoken = "hunter2')
    expect(problems).toEqual([
      expect.stringMatching(/^pufferblow\.toml, line 2, column \d+: .*unfinished string$/),
    ])
  })

  test('a file that cannot be read is not a file that is not there', () => {
    const { config, file } = load()
    rmSync(config.data_dir, { recursive: true })
    writeFileSync(config.data_dir, '')
    expect(() => loadConfig({ env: {}, dataDir: config.data_dir })).toThrow(
      `${file}: cannot be read (ENOTDIR)`,
    )
  })

  test.each([
    ['PUFFERBLOW_PORT', '65536'],
    ['PUFFERBLOW_PORT', '0x50'],
    ['PUFFERBLOW_PORT', '1e3'],
    ['PUFFERBLOW_HOST', '127.0.0.1:80'],
    ['PUFFERBLOW_HOST', '[::1]'],
    ['PUFFERBLOW_HOST', '127.0.0.300'],
    ['PUFFERBLOW_HOST', 'chat.1'],
    ['PUFFERBLOW_HOST', 'a b'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'chat.example.org'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'https://chat.example.org/chat'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'https://chat.example.org?x'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'https://me@chat.example.org'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'ftp://chat.example.org'],
    ['PUFFERBLOW_PUBLIC_ORIGIN', 'https://chat.example.org:99999'],
    ['PUFFERBLOW_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['PUFFERBLOW_TRUSTED_PROXIES', '10.0.0.0/8/8'],
    ['PUFFERBLOW_TRUSTED_PROXIES', '10.0.0.0/'],
    ['PUFFERBLOW_TRUSTED_PROXIES', '::1/129'],
    ['PUFFERBLOW_TRUSTED_PROXIES', '::1,proxy'],
    ['PUFFERBLOW_CORS_ORIGINS', 'https://a.example/x'],
    ['PUFFERBLOW_CORS_ORIGINS', 'example.org'],
    ['PUFFERBLOW_DATABASE_URL', 'mysql://localhost/x'],
    ['PUFFERBLOW_DATABASE_URL', 'sqlite:'],
    ['PUFFERBLOW_DATABASE_URL', 'sqlite://data/x.sqlite'],
    ['PUFFERBLOW_DATABASE_URL', 'postgres://u:p@:x/y'],
    ['PUFFERBLOW_MASTER_KEY', 'c2hvcnQ='],
    ['PUFFERBLOW_GATEWAY_PING_SECONDS', '4'],
    ['PUFFERBLOW_SERVER_SHUTDOWN_SECONDS', '301'],
  ])('%s=%s is refused', (name, value) => {
    expect(problemsOf(undefined, { [name]: value })).toEqual([expect.stringContaining(name)])
  })

  test.each([
    ['PUFFERBLOW_HOST', '::'],
    ['PUFFERBLOW_HOST', 'chat.lan'],
    ['PUFFERBLOW_TRUSTED_PROXIES', 'fd00::/8'],
    ['PUFFERBLOW_DATABASE_URL', 'sqlite:data/x.sqlite'],
    ['PUFFERBLOW_DATABASE_URL', 'sqlite:///var/x.sqlite'],
    ['PUFFERBLOW_DATABASE_URL', 'sqlite::memory:'],
    ['PUFFERBLOW_DATABASE_URL', 'postgresql://u:p%40ss@db:5432/x?sslmode=require'],
    ['PUFFERBLOW_DATABASE_URL', 'postgres:///x?host=/run/postgresql'],
  ])('%s=%s is fine', (name, value) => {
    expect(problemsOf(undefined, { [name]: value })).toEqual([])
  })
})

describe('warnings', () => {
  test('an unknown variable is reported by name, with the one that was meant', () => {
    const { warnings } = load(undefined, {
      PUFFERBLOW_PROT: 'hunter2',
      PUFFERBLOW_WEATHER: 'sunny',
      OTHER: 'x',
    })
    expect(warnings).toEqual([
      'environment variable PUFFERBLOW_PROT is unknown and ignored; did you mean PUFFERBLOW_PORT?',
      'environment variable PUFFERBLOW_WEATHER is unknown and ignored',
    ])
  })

  test('a file with a secret must be private', () => {
    const secret = '[metrics]\ntoken = "hunter2"\n[database]\nurl = "postgres://u:p@h/d"'
    const harmless = '[metrics]\ntoken = ""\n[database]\nurl = "sqlite:x"'
    const { config } = load()
    const file = join(config.data_dir, 'pufferblow.toml')
    const warningsOf = (toml: string, mode: number): readonly string[] => {
      writeFileSync(file, toml)
      chmodSync(file, mode)
      return loadConfig({ env: {}, dataDir: config.data_dir }).warnings
    }
    expect(warningsOf(secret, 0o640)).toEqual([
      `${file} holds a secret (metrics.token, database.url) but others may read it; run: chmod 600 ${file}`,
    ])
    expect(warningsOf(secret, 0o600)).toEqual([])
    expect(warningsOf(harmless, 0o644)).toEqual([])
  })
})

describe('showing', () => {
  const env = {
    PUFFERBLOW_DATABASE_URL: 'postgres://ann:hunter2@db:5432/chat?password=hunter2&sslmode=require',
    PUFFERBLOW_MASTER_KEY: 'aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMmh1bnQ=',
    PUFFERBLOW_METRICS_TOKEN: 'hunter2',
    PUFFERBLOW_REDIS_URL: 'rediss://ann:hunter2@cache:6380/1',
    PUFFERBLOW_PORT: '80',
  }

  test('secrets are masked, the URL of a database keeps host and name', () => {
    const rows = describeConfig(load(undefined, env))
    const value = Object.fromEntries(rows.map((row) => [row.path, row.value]))
    expect(value['database.url']).toBe('"postgres://ann:***@db:5432/chat?password=***&sslmode=require"')
    expect(value['redis.url']).toBe('"rediss://ann:***@cache:6380/1"')
    expect([value['metrics.token'], value.master_key]).toEqual(['"***"', '"***"'])
    expect(JSON.stringify(rows)).not.toMatch(/hunter2|aHVudGVy/)
  })

  test('secrets are shown when asked for', () => {
    const rows = describeConfig(load(undefined, env), { mask: false })
    expect(JSON.stringify(rows)).toContain('hunter2')
  })

  test('each setting has a row with origin and default', () => {
    const rows = describeConfig(load(undefined, env))
    expect(rows.map((row) => row.path)).toEqual(SETTING_PATHS)
    expect(rows.find((row) => row.path === 'server.port')).toEqual({
      path: 'server.port',
      env: 'PUFFERBLOW_PORT',
      value: '80',
      source: 'environment',
      default: '7575',
      description: SETTINGS['server.port'].description,
    })
  })

  test('no password survives the mask', () => {
    const password = fc.stringMatching(/^[\w!$^&*()~'-]{6,20}$/)
    fc.assert(
      fc.property(password, fc.boolean(), (secret, asParameter) => {
        const hidden = encodeURIComponent(`${secret}%`)
        const url = asParameter ? `postgres://u@db/chat?password=${hidden}` : `postgres://u:${hidden}@db/chat`
        expect(maskDatabaseUrl(url)).not.toContain(secret)
        expect(maskDatabaseUrl(url)).toMatch(/@db\/chat/)
      }),
    )
  })

  test('the manual names every setting once, and no cell breaks its table', () => {
    const manual = configManual()
    for (const path of SETTING_PATHS) expect(manual.split(`\`${settingOf(path).env}\``)).toHaveLength(2)
    const rows = manual.split('\n').filter((line) => line.startsWith('|'))
    for (const row of rows) expect(row.match(/(?<!\\)\|/g), row).toHaveLength(6)
    expect(manual).not.toMatch(/undefined|\[object/)
  })
})

describe('the nearest name', () => {
  test('is the one with the fewest changes, and only if it is near', () => {
    expect(nearest('prt', ['port', 'host'])).toBe('port')
    expect(nearest('LOG_LEVLE', ['log_level', 'log_format'])).toBe('log_level')
    expect(nearest('weather', ['port', 'host'])).toBeUndefined()
    expect(nearest('xy', ['ab'])).toBeUndefined()
  })

  test('distance is a metric', () => {
    const word = fc.string({ maxLength: 12 })
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, a)).toBe(0)
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c))
        expect(editDistance(a, `${a}${b}`)).toBe(b.length)
      }),
    )
  })
})

test('the type knows the settings', () => {
  const { config } = load()
  const port: number = config.server.port
  const level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent' = config.log.level
  const registration: Config['accounts']['registration'] = 'closed'
  // @ts-expect-error there is no such setting
  expect(config.server.prot).toBeUndefined()
  expect([port, level, registration]).toEqual([7575, 'info', 'closed'])
})
