import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What other servers find in place of a server. `lost`: requests arrive, their answers do not. `slow`: both take their
 * time.
 */
export type Fault = 'down' | 'error' | 'garbage' | 'lost' | 'slow'

const SLOW_MS = 120

/**
 * Stands before a server under the address that other servers know, and lets through what the fault of the hour lets
 * through. The server behind it can be another process every time.
 */
export class FaultProxy implements AsyncDisposable {
  readonly origin: string
  readonly host: string
  fault: Fault | undefined
  /** Where requests go on to. */
  target = ''
  /** How many deliveries came in, and how many were answered by the server itself. */
  came = 0
  answers: number[] = []
  readonly #server: Server

  private constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo
    this.#server = server
    this.host = `${address}:${port}`
    this.origin = `http://${this.host}`
  }

  static async start(address: string): Promise<FaultProxy> {
    let proxy: FaultProxy | undefined
    const server = createServer((incoming, outgoing) => void proxy?.handle(incoming, outgoing))
    await new Promise<void>((resolve) => server.listen(0, address, resolve))
    return (proxy = new FaultProxy(server))
  }

  async handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const { fault } = this
    if (incoming.method === 'POST') this.came++
    if (fault === 'down') return void outgoing.destroy()
    if (fault === 'error') return void outgoing.writeHead(500).end('oops')
    if (fault === 'garbage') return void outgoing.socket!.end(Buffer.alloc(4096, 0xff))
    if (fault === 'slow') await pause()
    const onward = request(new URL(incoming.url ?? '/', this.target), {
      method: incoming.method ?? 'GET',
      headers: incoming.headers,
    })
    onward.on('error', () => outgoing.destroy())
    onward.on('response', (answer) => {
      if (incoming.method === 'POST') this.answers.push(answer.statusCode!)
      if (fault === 'lost') return void outgoing.destroy()
      outgoing.writeHead(answer.statusCode!, answer.headers)
      if (fault === 'slow') void pause().then(() => answer.pipe(outgoing))
      else answer.pipe(outgoing)
    })
    onward.end(Buffer.concat(chunks))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SLOW_MS))
}
