import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { webcrypto } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { expect } from 'vitest'
import type { Person } from './person.ts'

const { subtle } = globalThis.crypto
const CURVE = { name: 'ECDH', namedCurve: 'P-256' }
const WAIT_MS = 8_000

/** What arrived at a push service. */
export interface Pushed {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A push service (RFC 8030) on this machine. It keeps what it gets, and answers as the test wants. */
export class PushService implements AsyncDisposable {
  readonly pushed: Pushed[] = []
  status = 201
  headers: Record<string, string> = {}
  readonly #server: Server
  readonly #wake = new Set<() => void>()
  #taken = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<PushService> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        service.pushed.push({
          path: request.url!,
          headers: request.headers,
          body: Buffer.concat(chunks),
        })
        response.writeHead(service.status, service.headers).end()
        for (const wake of service.#wake) wake()
      })
    })
    const service = new PushService(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return service
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** The next thing that arrived and was not handed out before. */
  async next(): Promise<Pushed> {
    const deadline = AbortSignal.timeout(WAIT_MS)
    while (this.#taken >= this.pushed.length) {
      await new Promise<void>((resolve, reject) => {
        const fail = (): void => reject(new Error('nothing was pushed'))
        deadline.addEventListener('abort', fail, { once: true })
        const wake = (): void => {
          this.#wake.delete(wake)
          deadline.removeEventListener('abort', fail)
          resolve()
        }
        this.#wake.add(wake)
      })
    }
    return this.pushed[this.#taken++]!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** A browser with a subscription. It opens what it gets by the Web Crypto API, as browsers do. */
export class Device {
  readonly endpoint: string
  readonly keys: { readonly p256dh: string; readonly auth: string }
  readonly #privateKey: webcrypto.CryptoKey
  readonly #point: Uint8Array<ArrayBuffer>
  readonly #auth: Uint8Array<ArrayBuffer>

  private constructor(endpoint: string, pair: webcrypto.CryptoKeyPair, point: Uint8Array<ArrayBuffer>) {
    this.endpoint = endpoint
    this.#privateKey = pair.privateKey
    this.#point = point
    this.#auth = crypto.getRandomValues(new Uint8Array(16))
    this.keys = {
      p256dh: Buffer.from(point).toString('base64url'),
      auth: Buffer.from(this.#auth).toString('base64url'),
    }
  }

  static async make(endpoint: string): Promise<Device> {
    const pair = (await subtle.generateKey(CURVE, true, ['deriveBits'])) as webcrypto.CryptoKeyPair
    return new Device(endpoint, pair, new Uint8Array(await subtle.exportKey('raw', pair.publicKey)))
  }

  /** Subscribes for somebody. @returns the id of the subscription */
  async subscribe(person: Person): Promise<string> {
    const { endpoint, keys } = this
    const { status, body } = await person.post('/api/v1/notifications/push/subscriptions', {
      endpoint,
      keys,
      expirationTime: null,
    })
    expect(status, JSON.stringify(body)).toBe(201)
    return body.subscription_id
  }

  /** Opens one record of `aes128gcm` (RFC 8188) with the keys of RFC 8291. */
  async open({ body }: Pushed): Promise<Record<string, unknown>> {
    const bytes = new Uint8Array(body)
    const salt = bytes.slice(0, 16)
    const recordSize = new DataView(bytes.buffer).getUint32(16)
    expect(bytes[20]).toBe(65)
    const sender = bytes.slice(21, 86)
    const sealed = bytes.slice(86)
    expect(sealed.length).toBeLessThanOrEqual(recordSize)
    const theirs = await subtle.importKey('raw', sender, CURVE, false, [])
    const shared = await subtle.deriveBits({ name: 'ECDH', public: theirs }, this.#privateKey, 256)
    const info = Buffer.concat([Buffer.from('WebPush: info'), Buffer.of(0), this.#point, sender])
    const secret = await hkdf(shared, this.#auth, info, 256)
    const raw = await hkdf(secret, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 128)
    const iv = await hkdf(secret, salt, Buffer.from('Content-Encoding: nonce\0'), 96)
    const key = await subtle.importKey('raw', raw, 'AES-GCM', false, ['decrypt'])
    const padded = new Uint8Array(await subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed))
    const end = padded.findLastIndex((byte) => byte !== 0)
    expect(padded[end]).toBe(2)
    return JSON.parse(Buffer.from(padded.subarray(0, end)).toString())
  }
}

async function hkdf(
  input: ArrayBuffer | Uint8Array<ArrayBuffer>,
  salt: ArrayBuffer | Uint8Array<ArrayBuffer>,
  info: ArrayBuffer | Uint8Array<ArrayBuffer>,
  bits: number,
): Promise<ArrayBuffer> {
  const key = await subtle.importKey('raw', input, 'HKDF', false, ['deriveBits'])
  return subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt, info }, key, bits)
}

/** Checks who sent something (RFC 8292), as a push service does. @returns the claims */
export async function checkVapid({ headers }: Pushed, publicKey: string): Promise<Record<string, unknown>> {
  const [, token, key] = /^vapid t=([\w-]+\.[\w-]+\.[\w-]+), k=([\w-]+)$/.exec(headers.authorization!)!
  expect(key).toBe(publicKey)
  const [head, claims, signature] = token!.split('.') as [string, string, string]
  expect(JSON.parse(Buffer.from(head, 'base64url').toString())).toEqual({ typ: 'JWT', alg: 'ES256' })
  const verifier = await subtle.importKey(
    'raw',
    Buffer.from(key!, 'base64url'),
    { name: 'ECDSA', namedCurve: 'P-256' },
    false,
    ['verify'],
  )
  const isSigned = await subtle.verify(
    { name: 'ECDSA', hash: 'SHA-256' },
    verifier,
    Buffer.from(signature, 'base64url'),
    Buffer.from(`${head}.${claims}`),
  )
  expect(isSigned).toBe(true)
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}
