import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { request, type Answer, type Reachable } from './http.ts'
import { keyPair } from './key-pairs.ts'
import { signedFields, type ToSign } from './signed.ts'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Answers a request in place of the peer; returns false to leave it to the peer. */
export type Misbehaviour = (request: Received, response: ServerResponse) => boolean | void

export interface Delivery {
  /** Sent in place of what was signed. */
  readonly sentBody?: string
  /** Sent in place of those that were signed. */
  readonly headers?: Record<string, string>
}

/**
 * Another server, as other software would have it: WebFinger, actors, and inboxes that note what comes. It can be
 * told to misbehave.
 */
export class FakePeer implements AsyncDisposable {
  readonly host: string
  readonly origin: string
  readonly requests: Received[] = []
  /** Asked before anything else. */
  misbehave: Misbehaviour | undefined
  /** Documents by path. */
  readonly documents = new Map<string, object>()
  readonly #server: Server
  readonly #wake = new Set<() => void>()

  private constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo
    this.#server = server
    this.host = `${address}:${port}`
    this.origin = `http://${this.host}`
  }

  /** @param address of the loopback network; peers on different ones have different hosts */
  static async start(address = '127.0.0.3', port = 0): Promise<FakePeer> {
    let peer: FakePeer | undefined
    const server = createServer((request, response) => void peer?.answer(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, address, resolve)
    })
    return (peer = new FakePeer(server))
  }

  /** Adds a person. @returns the actor's document, which may be changed */
  person(name: string, changes: object = {}): Record<string, unknown> & { id: string } {
    const id = `${this.origin}/users/${name}`
    const actor = {
      '@context': ['https://www.w3.org/ns/activitystreams', 'https://w3id.org/security/v1'],
      id,
      type: 'Person',
      preferredUsername: name,
      name: `${name} of elsewhere`,
      inbox: `${id}/inbox`,
      outbox: `${id}/outbox`,
      endpoints: { sharedInbox: `${this.origin}/inbox` },
      publicKey: {
        id: `${id}#main-key`,
        owner: id,
        publicKeyPem: keyPair('peer').publicKey.export({ format: 'pem', type: 'spki' }),
      },
      ...changes,
    }
    this.documents.set(`/users/${name}`, actor)
    return actor
  }

  /** An activity of somebody here, with an id that was not used before. */
  activity(actor: string, members: Record<string, unknown>): Record<string, unknown> {
    return {
      '@context': 'https://www.w3.org/ns/activitystreams',
      id: `${this.origin}/activities/${crypto.randomUUID()}`,
      actor,
      ...members,
    }
  }

  /** Delivers an activity, signed as its actor unless told otherwise. */
  deliver(
    server: Reachable,
    path: string,
    activity: unknown,
    how: Partial<ToSign> & Delivery = {},
  ): Promise<Answer> {
    const body = how.body ?? JSON.stringify(activity)
    const actor = (activity as { actor?: unknown } | null)?.actor
    const fields = signedFields({
      url: server.url + path,
      body,
      keyId: `${String(actor)}#main-key`,
      key: keyPair('peer').privateKey,
      ...how,
    })
    return request(server, 'POST', path, {
      raw: how.sentBody ?? body,
      headers: { 'content-type': 'application/activity+json', ...fields, ...how.headers },
    })
  }

  /** Requests so far, as `METHOD path`. */
  get log(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`)
  }

  /** What was delivered so far to an inbox, by path. */
  inbox(path: string): Record<string, unknown>[] {
    return this.requests
      .filter((received) => received.method === 'POST' && received.path === path)
      .map(({ body }) => JSON.parse(body.toString('utf8')) as Record<string, unknown>)
  }

  /** Waits until something is true of what came. */
  until(condition: (requests: readonly Received[]) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => finish(new Error(`only this came: ${this.log.join(', ')}`)), 30_000)
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition(this.requests)) finish()
      }
      this.#wake.add(check)
      check()
    })
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const received = {
      method: request.method ?? '',
      path: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    }
    this.requests.push(received)
    if (this.misbehave?.(received, response) !== true) this.#behave(received, response)
    for (const wake of [...this.#wake]) wake()
  }

  #behave({ method, path }: Received, response: ServerResponse): void {
    const url = new URL(path, this.origin)
    if (method === 'POST') return void response.writeHead(202).end()
    if (url.pathname === '/.well-known/webfinger') return this.#webFinger(url, response)
    const document = this.documents.get(url.pathname)
    if (!document) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'application/activity+json' }).end(JSON.stringify(document))
  }

  #webFinger(url: URL, response: ServerResponse): void {
    const subject = url.searchParams.get('resource') ?? ''
    const [, name] = /^acct:([^@]+)@/.exec(subject) ?? []
    const actor = name === undefined ? undefined : this.documents.get(`/users/${name}`)
    if (!actor || subject !== `acct:${name}@${this.host}`) return void response.writeHead(404).end()
    const href = (actor as { id: string }).id
    const links = [{ rel: 'self', type: 'application/activity+json', href }]
    response
      .writeHead(200, { 'content-type': 'application/jrd+json' })
      .end(JSON.stringify({ subject, links }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
