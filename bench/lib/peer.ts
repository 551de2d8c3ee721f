import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { createServer, type Server } from 'node:http'

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** The key of everybody on peers of the benchmarks. */
export const peerKeyPem: string = publicKey.export({ format: 'pem', type: 'spki' })

/** A server of other software: it has actors, and takes whatever is delivered. */
export class Peer implements AsyncDisposable {
  readonly origin: string
  /** When each delivery came, in milliseconds. */
  readonly arrivals: number[] = []
  readonly #server: Server

  private constructor(server: Server, origin: string) {
    this.#server = server
    this.origin = origin
  }

  /** @param port 0 for any */
  static async start(address: string, port = 0): Promise<Peer> {
    let peer: Peer | undefined
    const server = createServer((request, response) => {
      request.resume()
      if (request.method === 'POST') {
        peer!.arrivals.push(performance.now())
        return void response.writeHead(202, { 'content-length': 0 }).end()
      }
      const id = `${peer!.origin}${request.url}`
      const actor = {
        id,
        type: 'Person',
        preferredUsername: request.url!.split('/').at(-1),
        inbox: `${id}/inbox`,
        publicKey: { id: `${id}#main-key`, owner: id, publicKeyPem: peerKeyPem },
      }
      response.writeHead(200, { 'content-type': 'application/activity+json' }).end(JSON.stringify(actor))
    })
    await new Promise<void>((resolve) => server.listen(port, address, resolve))
    const { port: actual } = server.address() as { port: number }
    return (peer = new Peer(server, `http://${address}:${actual}`))
  }

  /** A direct message of somebody here, signed, as the bytes of a request. */
  directMessage(server: string, { from, to, text }: { from: string; to: string; text: string }): Buffer {
    const actor = `${this.origin}/users/${from}`
    const body = JSON.stringify({
      '@context': 'https://www.w3.org/ns/activitystreams',
      id: `${this.origin}/activities/${crypto.randomUUID()}`,
      type: 'Create',
      actor,
      to: [to],
      object: {
        id: `${this.origin}/notes/${crypto.randomUUID()}`,
        type: 'Note',
        attributedTo: actor,
        to: [to],
        content: `<p>${text}</p>`,
        tag: [{ type: 'Mention', href: to, name: '@somebody' }],
      },
    })
    const { host } = new URL(server)
    const date = new Date().toUTCString()
    const digest = `SHA-256=${createHash('sha256').update(body).digest('base64')}`
    const base = `(request-target): post /ap/inbox\nhost: ${host}\ndate: ${date}\ndigest: ${digest}`
    const signature = sign('sha256', Buffer.from(base), privateKey).toString('base64')
    const head = [
      'POST /ap/inbox HTTP/1.1',
      `Host: ${host}`,
      `Date: ${date}`,
      `Digest: ${digest}`,
      `Signature: keyId="${actor}#main-key",algorithm="rsa-sha256",headers="(request-target) host date digest",signature="${signature}"`,
      'Content-Type: application/activity+json',
      `Content-Length: ${Buffer.byteLength(body)}`,
    ]
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
