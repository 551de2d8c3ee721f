import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, isIPv6, type Server, type Socket as TcpSocket } from 'node:net'
import { frameHeader, FrameReader } from './framing.ts'

/** A way to one client: a UDP address, or a TCP connection. */
export interface Path {
  /** The same for every packet that comes this way. */
  readonly key: string
  readonly address: string
  readonly port: number
  readonly protocol: 'udp' | 'tcp'
  send(packet: Buffer): void
}

export interface MediaPortOptions {
  readonly addresses: readonly string[]
  /** 0 takes any free one. */
  readonly port: number
  readonly tcp: boolean
  readonly onPacket: (packet: Buffer, path: Path) => void
  /** A TCP connection has ended. */
  readonly onPathLost: (path: Path) => void
}

/** Unsent bytes on a TCP connection beyond which packets are dropped: late media is worse than none. */
const MAX_QUEUE = 256 * 1024
const MAX_TCP = 2000
const MAX_TCP_PER_SOURCE = 64
/** A TCP connection without a packet for so long is closed. Clients check every few seconds. */
const TCP_IDLE_MS = 30_000
const UDP_BUFFER = 2 * 1024 * 1024
const PORT_TRIES = 20

/** The one port for media: UDP, and TCP on the same number, on each address. */
export class MediaPort implements AsyncDisposable {
  readonly port: number
  readonly #options: MediaPortOptions
  readonly #udp: UdpSocket[]
  readonly #tcp: Server[]
  readonly #connections = new Map<TcpSocket, string>()
  readonly #sources = new Map<string, number>()

  private constructor(options: MediaPortOptions, port: number, udp: UdpSocket[], tcp: Server[]) {
    this.#options = options
    this.port = port
    this.#udp = udp
    this.#tcp = tcp
    for (const socket of udp) this.#listenUdp(socket)
    for (const server of tcp) server.on('connection', (socket) => this.#acceptTcp(socket))
  }

  /** @throws when the port is taken, with the system's code */
  static async open(options: MediaPortOptions): Promise<MediaPort> {
    for (let tries = options.port === 0 ? PORT_TRIES : 1; ; tries--) {
      const opened: { udp: UdpSocket[]; tcp: Server[] } = { udp: [], tcp: [] }
      let port = options.port
      try {
        for (const address of options.addresses) {
          const udp = await bindUdp(address, port)
          // An address may go while we look at it: temporary ones of IPv6 do. One that is left is enough.
          if (!udp) continue
          opened.udp.push(udp)
          port = udp.address().port
          if (options.tcp) opened.tcp.push(await listenTcp(address, port))
        }
        if (opened.udp.length === 0) throw Object.assign(new Error('no address'), { code: 'EADDRNOTAVAIL' })
        return new MediaPort(options, port, opened.udp, opened.tcp)
      } catch (error) {
        for (const socket of opened.udp) socket.close()
        for (const server of opened.tcp) server.close()
        const code = (error as NodeJS.ErrnoException).code
        // A number that is free for UDP may be taken for TCP.
        if (tries <= 1 || code !== 'EADDRINUSE') throw error
      }
    }
  }

  #listenUdp(socket: UdpSocket): void {
    socket.on('message', (packet, { address, port }) => {
      const key = `${address} ${port}`
      this.#options.onPacket(packet, new UdpPath(socket, key, address, port))
    })
    // A client that is gone may be told of by ICMP; consent decides, not this.
    socket.on('error', () => {})
  }

  #acceptTcp(socket: TcpSocket): void {
    const source = socket.remoteAddress ?? ''
    const count = this.#sources.get(source) ?? 0
    if (source === '' || this.#connections.size >= MAX_TCP || count >= MAX_TCP_PER_SOURCE)
      return void socket.destroy()
    this.#connections.set(socket, source)
    this.#sources.set(source, count + 1)
    const path = new TcpPath(socket)
    const frames = new FrameReader()
    socket.setNoDelay(true).setTimeout(TCP_IDLE_MS, () => socket.destroy())
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const packets = frames.take(chunk)
      if (!packets) return socket.destroy()
      for (const packet of packets) this.#options.onPacket(packet, path)
    })
    socket.on('close', () => {
      this.#connections.delete(socket)
      const left = (this.#sources.get(source) ?? 1) - 1
      if (left === 0) this.#sources.delete(source)
      else this.#sources.set(source, left)
      this.#options.onPathLost(path)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#connections.keys()) socket.destroy()
    await Promise.all([
      ...this.#udp.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      ...this.#tcp.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    ])
  }
}

class UdpPath implements Path {
  readonly protocol = 'udp'
  readonly key: string
  readonly address: string
  readonly port: number
  readonly #socket: UdpSocket

  constructor(socket: UdpSocket, key: string, address: string, port: number) {
    this.#socket = socket
    this.key = key
    this.address = address
    this.port = port
  }

  send(packet: Buffer): void {
    this.#socket.send(packet, this.port, this.address, ignore)
  }
}

class TcpPath implements Path {
  readonly protocol = 'tcp'
  readonly key: string
  readonly address: string
  readonly port: number
  readonly #socket: TcpSocket

  constructor(socket: TcpSocket) {
    this.#socket = socket
    this.address = socket.remoteAddress ?? ''
    this.port = socket.remotePort ?? 0
    this.key = `tcp ${this.address} ${this.port}`
  }

  send(packet: Buffer): void {
    const socket = this.#socket
    if (!socket.writable || socket.writableLength > MAX_QUEUE) return
    socket.cork()
    socket.write(frameHeader(packet.length))
    socket.write(packet)
    socket.uncork()
  }
}

function ignore(): void {}

/** Addresses are never names here, so nothing needs to be looked up. */
const lookup = (
  address: string,
  _options: object,
  done: (error: null, address: string, family: number) => void,
): void => done(null, address, isIPv6(address) ? 6 : 4)

/** @returns undefined when the machine does not have the address (any more) */
function bindUdp(address: string, port: number): Promise<UdpSocket | undefined> {
  return new Promise((resolve, reject) => {
    const type = isIPv6(address) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, lookup, ...(type === 'udp6' && { ipv6Only: true }) } as Parameters<
      typeof createSocket
    >[0])
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close()
      if (error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL') resolve(undefined)
      else reject(error)
    })
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeAllListeners('error')
      try {
        socket.setRecvBufferSize(UDP_BUFFER)
        socket.setSendBufferSize(UDP_BUFFER)
      } catch {
        // The system's own size is enough for small rooms.
      }
      resolve(socket)
    })
  })
}

function listenTcp(address: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: address, port, exclusive: true }, () => {
      server.off('error', reject)
      server.on('error', ignore)
      resolve(server)
    })
  })
}
