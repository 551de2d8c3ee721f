import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import {
  createFederation,
  generateCryptoKeyPair,
  MemoryKvStore,
  type Context,
  type Federation,
  type HttpMessageSignaturesSpec,
} from '@fedify/fedify'
import {
  Accept,
  Activity,
  Create,
  Delete,
  Endpoints,
  Follow,
  Mention,
  Note,
  Person,
  Tombstone,
  Undo,
  Update,
  type Object as ApObject,
} from '@fedify/vocab'
import type { Scheme } from './signed.ts'

const KEYS = [await generateCryptoKeyPair('RSASSA-PKCS1-v1_5'), await generateCryptoKeyPair('Ed25519')]
const WAIT_MS = 30_000

/** What an inbox listener of Fedify was told, once Fedify had believed it. */
export interface Heard {
  readonly activity: Activity
  readonly object: ApObject | null
  /** Of the request that it came with. */
  readonly signature: Scheme
}

/** A server on the library Fedify, so that the other end of federation is not our own code. */
export class FedifyPeer implements AsyncDisposable {
  readonly host: string
  readonly origin: string
  readonly heard: Heard[] = []
  readonly #server: Server
  readonly #federation: Federation<Scheme>
  readonly #wake = new Set<() => void>()

  private constructor(server: Server, firstKnock: HttpMessageSignaturesSpec) {
    const { address, port } = server.address() as AddressInfo
    this.#server = server
    this.host = `${address}:${port}`
    this.origin = `http://${this.host}`
    this.#federation = createFederation({
      kv: new MemoryKvStore(),
      origin: this.origin,
      allowPrivateAddress: true,
      firstKnock,
      circuitBreaker: false,
    })
    this.#declare()
  }

  /** @param firstKnock how it signs, unless that is refused */
  static async start(firstKnock: HttpMessageSignaturesSpec, address: string): Promise<FedifyPeer> {
    let peer: FedifyPeer | undefined
    const server = createServer((request, response) => void peer?.answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, address, resolve))
    return (peer = new FedifyPeer(server, firstKnock))
  }

  /** Everybody is here who is asked for. */
  #declare(): void {
    this.#federation
      .setActorDispatcher('/users/{identifier}', async (context, identifier) => {
        const [pair] = await context.getActorKeyPairs(identifier)
        return new Person({
          id: context.getActorUri(identifier),
          preferredUsername: identifier,
          name: `${identifier} of Fedify`,
          inbox: context.getInboxUri(identifier),
          outbox: context.getOutboxUri(identifier),
          endpoints: new Endpoints({ sharedInbox: context.getInboxUri() }),
          publicKey: pair!.cryptographicKey,
        })
      })
      .setKeyPairsDispatcher(() => KEYS)
    this.#federation.setOutboxDispatcher('/users/{identifier}/outbox', () => ({ items: [] }))
    this.#federation
      .setInboxListeners('/users/{identifier}/inbox', '/inbox')
      .on(Activity, async (context, activity) => {
        const object = await activity.getObject({ crossOrigin: 'ignore' }).catch(() => null)
        this.heard.push({ activity, object, signature: context.data })
        if (activity instanceof Follow) await this.#accept(activity)
        for (const wake of [...this.#wake]) wake()
      })
  }

  async #accept(follow: Follow): Promise<void> {
    const follower = await follow.getActor(this.#context)
    await this.#send('bob', follower!.id!, (context) => {
      const id = new URL(`${this.origin}/activities/${crypto.randomUUID()}`)
      return new Accept({ id, actor: context.getActorUri('bob'), object: follow })
    })
  }

  get #context(): Context<Scheme> {
    return this.#federation.createContext(new URL(this.origin), 'draft-cavage')
  }

  actor(name: string): string {
    return this.#context.getActorUri(name).href
  }

  /** What Fedify makes of an address of ours: WebFinger, and the actor that it leads to. */
  async look(actor: string): Promise<{ self: string | undefined; person: Person }> {
    const found = await this.#context.lookupWebFinger(new URL(actor))
    const self = found?.links?.find(({ rel }) => rel === 'self')?.href
    const person = await this.#context.lookupObject(self!)
    if (!(person instanceof Person)) throw new Error(`${self} is no person to Fedify`)
    return { self, person }
  }

  async follow(name: string, target: string): Promise<string> {
    return this.#send(name, new URL(target), (context, id) => {
      return new Follow({ id, actor: context.getActorUri(name), object: new URL(target) })
    })
  }

  async unfollow(name: string, target: string, followId: string): Promise<void> {
    await this.#send(name, new URL(target), (context, id) => {
      const actor = context.getActorUri(name)
      return new Undo({
        id,
        actor,
        object: new Follow({ id: new URL(followId), actor, object: new URL(target) }),
      })
    })
  }

  /** Writes to somebody. @returns the id of the note */
  async write(name: string, target: string, content: string, noteId = this.#noteId()): Promise<string> {
    await this.#send(
      name,
      new URL(target),
      (context, id) =>
        new Create({
          id,
          actor: context.getActorUri(name),
          to: new URL(target),
          object: this.#note(name, noteId, target, content),
        }),
    )
    return noteId
  }

  async edit(name: string, target: string, noteId: string, content: string): Promise<void> {
    await this.#send(
      name,
      new URL(target),
      (context, id) =>
        new Update({
          id,
          actor: context.getActorUri(name),
          to: new URL(target),
          object: this.#note(name, noteId, target, content),
        }),
    )
  }

  async delete(name: string, target: string, noteId: string): Promise<void> {
    await this.#send(name, new URL(target), (context, id) => {
      return new Delete({
        id,
        actor: context.getActorUri(name),
        object: new Tombstone({ id: new URL(noteId) }),
      })
    })
  }

  /** Waits for the first activity that came which is so. */
  async until(condition: (heard: Heard) => boolean): Promise<Heard> {
    const { promise, resolve, reject } = Promise.withResolvers<Heard>()
    const timer = setTimeout(() => {
      reject(new Error(`only this came: ${this.heard.map(({ activity }) => activity.id?.href).join(', ')}`))
    }, WAIT_MS)
    const check = (): void => {
      const found = this.heard.find(condition)
      if (found) resolve(found)
    }
    this.#wake.add(check)
    check()
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#wake.delete(check)
    }
  }

  #noteId(): string {
    return `${this.origin}/notes/${crypto.randomUUID()}`
  }

  #note(name: string, id: string, target: string, content: string): Note {
    return new Note({
      id: new URL(id),
      attribution: this.#context.getActorUri(name),
      to: new URL(target),
      content,
      tags: [new Mention({ href: new URL(target), name: '@somebody' })],
    })
  }

  async #send(
    name: string,
    target: URL,
    make: (context: Context<Scheme>, id: URL) => Activity,
  ): Promise<string> {
    const context = this.#context
    const recipient = { id: target, inboxId: new URL(`${target.href}/inbox`) }
    const activity = make(context, new URL(`${this.origin}/activities/${crypto.randomUUID()}`))
    await context.sendActivity({ identifier: name }, recipient, activity)
    return activity.id!.href
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const headers = new Headers()
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value))
    const body = chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}
    const answer = await this.#federation.fetch(
      new Request(new URL(request.url ?? '/', this.origin), {
        method: request.method ?? 'GET',
        headers,
        ...body,
      }),
      { contextData: headers.has('signature-input') ? 'rfc9421' : 'draft-cavage' },
    )
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    if (answer.body) Readable.fromWeb(answer.body as never).pipe(response)
    else response.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
