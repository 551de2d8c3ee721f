import { BlockList, createServer, isIP } from 'node:net'
import { originOf, type LoadedConfig } from '#config/load.ts'
import { isListening } from '#events/bridge.ts'
import { redisVersion } from '#http/rate-limit/redis-client.ts'
import { fail, ok, reasonOf, warn, type Check } from './check.ts'

/** Addresses that mean this machine or a network of its owner. */
const own = new BlockList()
for (const block of [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
]) {
  const [address = '', bits] = block.split('/')
  own.addSubnet(address, Number(bits), 'ipv4')
}
own.addAddress('::1', 'ipv6')
own.addSubnet('fc00::', 7, 'ipv6')
own.addSubnet('fe80::', 10, 'ipv6')
const OWN_NAMES = /(^|\.)(localhost|local|lan|internal|home\.arpa|test|intranet)$/i

/** Whether the port is free, or taken by the server of this very data folder. */
export async function checkPort({ config }: LoadedConfig): Promise<Check> {
  const { host, port } = config.server
  const where = `${host} port ${port}`
  if (port === 0) return ok('port', 'any free one')
  const code = await tryToListen(host, port)
  if (code === undefined) return ok('port', `${where} is free`)
  if (code === 'EADDRINUSE') {
    if ((await isListening(config.data_dir)) && (await answersAsServer(originOf(host, port)))) {
      return ok('port', `${where} is served by the server of this data folder`)
    }
    return fail(
      'port',
      `${where} is taken by another program`,
      'stop that, or choose another port with PUFFERBLOW_PORT',
    )
  }
  if (code === 'EACCES') {
    return fail(
      'port',
      `${where} may not be used by this user`,
      'choose one from 1024 on, behind a reverse proxy',
    )
  }
  return fail(
    'port',
    `${where} cannot be used (${code})`,
    'choose an address of this machine with PUFFERBLOW_HOST',
  )
}

/** @returns why it did not work */
function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}

async function answersAsServer(origin: string): Promise<boolean> {
  try {
    const response = await fetch(`${origin}/healthz`, {
      signal: AbortSignal.timeout(3000),
      redirect: 'manual',
    })
    const body = (await response.json()) as { components?: { api?: unknown } } | null
    return body?.components?.api === true
  } catch {
    return false
  }
}

/** Whether the world, or a proxy in front, finds what the configuration tells it. */
export function checkOrigin({ config, sources }: LoadedConfig): Check {
  const { host, public_origin: origin, trusted_proxies: proxies } = config.server
  const name = 'public origin'
  const url = new URL(origin)
  if (sources['server.public_origin'] === 'default') {
    if (isOwn(host)) return ok(name, `${origin}, for this machine only`)
    return warn(
      name,
      `it is not set, and the server listens on ${host}: clients elsewhere are told ${origin}`,
      'set server.public_origin to the address by which people reach this server',
    )
  }
  if (url.protocol === 'http:' && !isOwn(url.hostname)) {
    return warn(
      name,
      `${origin} is not encrypted: passwords and messages can be read on the way`,
      'put a reverse proxy with TLS in front and write https://',
    )
  }
  if (url.protocol === 'https:' && proxies.length === 0) {
    return warn(
      name,
      `${origin} needs a proxy in front, but none is trusted: everybody seems to have the address of the proxy`,
      'set server.trusted_proxies to the address of the proxy',
    )
  }
  if (proxies.some((block) => block.endsWith('/0'))) {
    return warn(
      name,
      'every address is trusted as a proxy: anybody can claim any address',
      'name the proxy alone in server.trusted_proxies',
    )
  }
  return ok(name, origin)
}

/** Whether Redis answers, if there is one. The server does without while it is away. */
export async function checkRedis({ redis }: LoadedConfig['config']): Promise<Check[]> {
  if (redis.url === '') return []
  try {
    return [ok('redis', `answers, version ${await redisVersion(redis.url)}`)]
  } catch (error) {
    const found = `it does not answer: ${reasonOf(error)}`
    return [warn('redis', found, 'start it or correct redis.url; meanwhile limits are counted in memory')]
  }
}

/** Whether a host is for this machine or network, not for the world. */
export function isOwn(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  const family = isIP(bare)
  if (family === 0) return OWN_NAMES.test(bare) || !bare.includes('.')
  return own.check(bare, family === 6 ? 'ipv6' : 'ipv4')
}
