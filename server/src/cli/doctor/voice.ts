import { createSocket, type Socket } from 'node:dgram'
import { createServer, isIPv6 } from 'node:net'
import type { LoadedConfig } from '#config/load.ts'
import { isListening } from '#events/bridge.ts'
import { mediaSettings } from '#features/voice/index.ts'
import { forClients, isLoopback, localAddresses } from '#sfu/net/addresses.ts'
import { fail, ok, warn, type Check } from './check.ts'
import { isOwn } from './network.ts'

const NAME = 'voice'
const PROBE_MS = 700

/** Whether media can come in: the port is free, the addresses that clients are told lead here. */
export async function checkVoice({ config }: LoadedConfig): Promise<Check[]> {
  const { voice, server } = config
  if (!voice.enabled) return [ok(NAME, 'switched off')]
  const settings = mediaSettings(config, server.public_origin)
  const addresses = localAddresses(settings.host)
  const open = `open port ${settings.port} for UDP${settings.tcp ? ' and TCP' : ''} to everybody, past the reverse proxy`
  const checks = [await checkMediaPort(config.data_dir, addresses, settings)]
  const told = settings.announcedAddresses.length > 0 ? settings.announcedAddresses : forClients(addresses)
  const isPublic = !isOwn(new URL(server.public_origin).hostname)
  if (isPublic && told.every((address) => isOwn(address))) {
    checks.push(
      warn(
        `${NAME} addresses`,
        `clients are told ${told.join(', ')}, which nobody outside can reach`,
        `set voice.announced_addresses to the public address of this machine, and ${open}`,
      ),
    )
  } else if (settings.announcedAddresses.length > 0 && checks[0]!.status === 'ok' && settings.port !== 0) {
    checks.push(await checkAnnounced(settings, addresses, open))
  } else {
    const found = `clients are told ${told.join(', ')}`
    checks.push(
      ok(
        `${NAME} addresses`,
        told.every(isLoopback) ? `${found}, for this machine only` : `${found}; ${open}`,
      ),
    )
  }
  if (voice.turn_urls.length > 0 && voice.turn_secret === '') {
    checks.push(
      warn(
        `${NAME} TURN`,
        'TURN servers are named, but no secret: clients are not told of them',
        'set voice.turn_secret',
      ),
    )
  }
  return checks
}

async function checkMediaPort(
  dataDir: string,
  addresses: readonly string[],
  { port, tcp }: { port: number; tcp: boolean },
): Promise<Check> {
  if (port === 0) return ok(`${NAME} port`, 'any free one')
  for (const address of addresses) {
    const code = (await tryUdp(address, port)) ?? (tcp ? await tryTcp(address, port) : undefined)
    if (code === undefined || code === 'EADDRNOTAVAIL') continue
    const where = `port ${port} on ${address}`
    if (code === 'EADDRINUSE' && (await isListening(dataDir)))
      return ok(`${NAME} port`, `${where} is in use, as it is while somebody is in a voice channel`)
    return fail(
      `${NAME} port`,
      code === 'EADDRINUSE' ? `${where} is taken by another program` : `${where} cannot be used (${code})`,
      'stop that, or choose another port with PUFFERBLOW_VOICE_PORT',
    )
  }
  return ok(`${NAME} port`, `port ${port} is free for UDP${tcp ? ' and TCP' : ''}`)
}

/** Sends a packet to the addresses that clients are told: behind most routers it comes back in. */
async function checkAnnounced(
  { announcedAddresses, port }: { announcedAddresses: readonly string[]; port: number },
  addresses: readonly string[],
  advice: string,
): Promise<Check> {
  const lost: string[] = []
  for (const address of announcedAddresses) {
    const family = isIPv6(address)
    const listeners = addresses.filter((one) => isIPv6(one) === family && !isLoopback(one))
    if (!(await arrives(address, port, listeners))) lost.push(address)
  }
  const name = `${NAME} addresses`
  if (lost.length === 0) return ok(name, `UDP to ${announcedAddresses.join(', ')} port ${port} comes in`)
  return warn(
    name,
    `UDP that this machine sends to ${lost.join(', ')} port ${port} does not come in; some routers let that pass only ` +
      'from outside',
    advice,
  )
}

async function arrives(address: string, port: number, listeners: readonly string[]): Promise<boolean> {
  await using open = new AsyncDisposableStack()
  const arrived = Promise.withResolvers<boolean>()
  for (const listener of listeners) {
    const socket = createSocket(isIPv6(listener) ? 'udp6' : 'udp4')
    open.defer(() => closed(socket))
    socket.on('error', () => {})
    socket.on('message', () => arrived.resolve(true))
    await new Promise<void>((resolve) => {
      socket.once('error', () => resolve())
      socket.bind({ address: listener, port }, () => resolve())
    })
  }
  const sender = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  open.defer(() => closed(sender))
  sender.on('error', () => {})
  sender.send('pufferblow doctor', port, address, () => {})
  const timer = setTimeout(() => arrived.resolve(false), PROBE_MS)
  open.defer(() => clearTimeout(timer))
  return await arrived.promise
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    try {
      socket.close(() => resolve())
    } catch {
      resolve()
    }
  })
}

/** @returns why it did not work */
function tryUdp(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close()
      resolve(error.code ?? error.message)
    })
    socket.bind({ address, port, exclusive: true }, () => socket.close(() => resolve(undefined)))
  })
}

/** @returns why it did not work */
function tryTcp(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
}
