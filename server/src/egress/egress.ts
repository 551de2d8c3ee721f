import type { LookupFunction } from 'node:net'
import type { Agent } from 'undici'
import { EgressFailedError, EgressRefusedError } from './errors.ts'
import { readBody } from './read-body.ts'
import { resolveByDns, type Resolve } from './resolve.ts'
import { mayConnect, targetOf, type EgressPolicy } from './target.ts'
import { Turns } from './turns.ts'

/** A request to somewhere outside. */
export interface OutgoingRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly body?: Uint8Array
  /** Made for each hop of a redirect anew: a signature covers where the request goes. */
  readonly headers?: (target: URL) => Readonly<Record<string, string>>
  /** Called before anything is looked up, again for each hop. What it throws ends the request. */
  readonly admit?: (target: URL) => void
  /** How large the answer may be, packed and unpacked. Default: a megabyte. */
  readonly maxBytes?: number
  /** For the whole of it, if shorter than the deadline of all. */
  readonly timeoutMs?: number
  /** How many redirects a GET follows; with 0 the redirect is the answer. */
  readonly redirects: number
}

export interface OutgoingAnswer {
  readonly status: number
  /** By lower-case name; of several values the first. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Where the answer came from, after redirects. */
  readonly url: URL
}

/** For one request with everything: waiting for its turn, names, redirects, body. */
const DEADLINE_MS = 10_000
const CONNECT_MS = 5_000
const MAX_BYTES = 1024 * 1024
const MAX_HEADER_BYTES = 16 * 1024
const SOCKETS_PER_HOST = 2
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/**
 * The one way out of this server: every request to another host goes through here. Names are resolved, all their
 * addresses are checked, and the connection is made to one of these very addresses, so that a name server cannot
 * say one thing to the check and another to the connection. Bounded in time, size, redirects and number.
 */
export class Egress implements AsyncDisposable {
  readonly #policy: EgressPolicy
  readonly #resolve: Resolve
  readonly #userAgent: () => string
  readonly #deadlineMs: number
  readonly #turns = new Turns()
  readonly #stopping = new AbortController()
  #agent: Promise<Agent> | undefined

  /**
   * @param options.resolve asks for the addresses of a name; the name servers of the machine by default
   * @param options.deadlineMs how long a request may take with everything
   */
  constructor(
    policy: EgressPolicy,
    options: { userAgent: () => string; resolve?: Resolve; deadlineMs?: number },
  ) {
    this.#policy = policy
    this.#userAgent = options.userAgent
    this.#resolve = options.resolve ?? resolveByDns
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS
  }

  /**
   * Checks an address that is to be called later, as far as one can without asking for it. It is checked again then.
   *
   * @throws EgressRefusedError
   */
  expectAllowed(url: string): void {
    targetOf(url, this.#policy)
  }

  /**
   * Sends a request and reads its answer, whatever its status.
   *
   * @throws EgressRefusedError when it must not be sent, EgressFailedError when no usable answer came
   */
  async request(request: OutgoingRequest): Promise<OutgoingAnswer> {
    const timeoutMs = Math.max(1, Math.min(request.timeoutMs ?? Infinity, this.#deadlineMs))
    const signal = AbortSignal.any([AbortSignal.timeout(Math.ceil(timeoutMs)), this.#stopping.signal])
    let url = request.url
    for (let hop = 0; ; hop++) {
      const target = targetOf(url, this.#policy)
      request.admit?.(target)
      const answer = await this.#hop(request, target, signal)
      const location = answer.headers['location']
      const redirects = request.method === 'GET' && REDIRECTS.has(answer.status) && location !== undefined
      if (!redirects || request.redirects === 0) return answer
      if (hop === request.redirects) throw new EgressFailedError('the host redirects too often')
      if (!URL.canParse(location, target)) throw new EgressFailedError('the redirect is malformed')
      url = new URL(location, target).href
    }
  }

  async #hop(request: OutgoingRequest, target: URL, signal: AbortSignal): Promise<OutgoingAnswer> {
    try {
      return await this.#turns.take(target.host, signal, () => this.#send(request, target, signal))
    } catch (error) {
      if (error instanceof EgressRefusedError || error instanceof EgressFailedError) throw error
      const reason = signal.aborted ? 'no answer came in time' : 'the host cannot be reached'
      throw new EgressFailedError(reason, { cause: error })
    }
  }

  async #send(request: OutgoingRequest, target: URL, signal: AbortSignal): Promise<OutgoingAnswer> {
    const agent = await this.#open()
    const { statusCode, headers, body } = await agent.request({
      origin: target.origin,
      path: target.pathname + target.search,
      method: request.method,
      headers: {
        'user-agent': this.#userAgent(),
        'accept-encoding': 'gzip, br',
        ...request.headers?.(target),
      },
      body: request.body ?? null,
      signal,
    })
    // An answer that is not read to its end takes its connection with it.
    body.on('error', () => {})
    try {
      const bytes = await readBody(body, firstOf(headers['content-encoding']), request.maxBytes ?? MAX_BYTES)
      return { status: statusCode, headers: firstOfEach(headers), body: bytes, url: target }
    } finally {
      body.destroy()
    }
  }

  /** The HTTP client takes some megabytes: a server that calls nobody does without. */
  #open(): Promise<Agent> {
    this.#agent ??= import('undici').then(
      (undici) =>
        new undici.Agent({
          connect: { lookup: this.#lookup, timeout: CONNECT_MS },
          connections: SOCKETS_PER_HOST,
          allowH2: false,
          headersTimeout: DEADLINE_MS,
          bodyTimeout: DEADLINE_MS,
          maxHeaderSize: MAX_HEADER_BYTES,
        }),
    )
    return this.#agent
  }

  /** What `net.connect` asks for the addresses of a name. A literal address was checked with its URL. */
  readonly #lookup: LookupFunction = (hostname, options, callback) => {
    void this.#addressesOf(hostname).then(
      (addresses) => {
        if (options.all) callback(null, addresses)
        else callback(null, addresses[0]!.address, addresses[0]!.family)
      },
      (error: unknown) => callback(error as Error, []),
    )
  }

  /** One bad address among good ones is refused too: it would be a matter of luck which one is taken. */
  async #addressesOf(hostname: string): Promise<{ address: string; family: number }[]> {
    const addresses = await this.#resolve(hostname)
    if (!addresses.every((address) => mayConnect(address, this.#policy))) {
      throw new EgressRefusedError('the host has an address that is not public')
    }
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort()
    await (await this.#agent)?.destroy()
  }
}

function firstOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function firstOfEach(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const first = firstOf(value)
      return first === undefined ? [] : [[name, first]]
    }),
  )
}
