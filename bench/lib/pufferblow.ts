import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Program } from './program.ts'

const program = fileURLToPath(new URL('../../bin/pufferblow.js', import.meta.url))

export interface Account {
  readonly token: string
}

/** Limits stay, and what they cost, but no load reaches them. */
const BEYOND_REACH = [
  'max_rate_limit_requests=10000000',
  'rate_limit_frames=100000',
  'max_file_size=100',
  'user_storage_quota=0',
]

/**
 * PufferBlow as an operator would run it, with room for a crowd that shares a few accounts.
 *
 * @param more environment variables
 */
export async function startPufferblow(
  dataDir: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PUFFERBLOW_'))
  const env = {
    ...Object.fromEntries(others),
    PUFFERBLOW_DATA_DIR: dataDir,
    PUFFERBLOW_HOST: '127.0.0.1',
    PUFFERBLOW_PORT: '0',
    // Tokens outlive a restart on another port.
    PUFFERBLOW_PUBLIC_ORIGIN: 'https://bench.example',
    PUFFERBLOW_LOG_FORMAT: 'json',
    PUFFERBLOW_ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440',
    PUFFERBLOW_GATEWAY_MAX_SOCKETS_PER_USER: '1000',
    ...more,
  }
  const server = await Program.start([program, 'serve'], urlOfReadyLine, env)
  const settings = spawnSync(process.execPath, [program, 'settings', 'set', ...BEYOND_REACH], { env })
  if (settings.status !== 0) throw new Error(`settings could not be set: ${String(settings.stderr)}`)
  return server
}

function urlOfReadyLine(line: string): string | undefined {
  const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
  return msg === 'PufferBlow is ready' ? url : undefined
}

/** Signs people up. The first one of a new server owns it. */
export async function signUp(url: string, count: number): Promise<Account[]> {
  const accounts: Account[] = []
  for (let number = 1; number <= count; number++) {
    const answer = await call(url, 'POST', '/api/v1/users/signup', {
      body: { username: `bench${number}`, password: crypto.randomUUID() },
    })
    accounts.push({ token: answer['auth_token'] as string })
  }
  return accounts
}

/** Creates a public channel. @returns its id */
export async function createChannel(url: string, { token }: Account, name = 'bench'): Promise<string> {
  const answer = await call(url, 'POST', '/api/v1/channels/create/', {
    token,
    body: { channel_name: name },
  })
  return (answer['channel_data'] as { channel_id: string }).channel_id
}

/** One call outside of what is measured. */
export async function call(
  url: string,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: object } = {},
): Promise<Record<string, unknown>> {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} was answered with ${response.status}: ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}

/**
 * 99th percentile of the server's event-loop delay since it was asked last, in milliseconds.
 *
 * It comes from `monitorEventLoopDelay`, which notes the time between two ticks of a 10 ms timer. A turn of the
 * loop that lasts d shows up as something between max(10, d) and 10 + d: the figure is never better than the truth.
 */
export async function eventLoopDelayP99(url: string): Promise<number> {
  const response = await fetch(new URL('/metrics', url))
  const value = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(await response.text())?.[1]
  if (value === undefined) throw new Error('/metrics does not tell the event-loop delay')
  return Number(value) * 1000
}
