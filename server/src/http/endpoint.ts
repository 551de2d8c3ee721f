import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { demand, type Access, type Actor, type Authenticate, type Bucket } from './access.ts'
import { badRequest, HttpError, invalidField, unauthorized } from './errors.ts'
import { parseInput } from './input.ts'
import { OpenApi } from './openapi.ts'
import type { RequestLimits } from './rate-limit/hooks.ts'
import { tokenOf } from './token.ts'
import { FormReader, type IncomingFile } from './upload.ts'

export type ErrorStatus = 400 | 403 | 404 | 409 | 412 | 413 | 416 | 429 | 507
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
type Answers = Readonly<Record<number, z.ZodType>>
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- it is empty on purpose
type NoFields = z.ZodObject<Record<never, never>>

const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * One endpoint, declared once: what validates it, types its handler, shapes its answer and describes it in
 * the OpenAPI document. Access and rate bucket must be said; a route without them does not compile.
 */
export interface Endpoint<
  P extends z.ZodObject,
  I extends z.ZodObject,
  A extends Answers,
  F extends AsyncDisposable = never,
> {
  readonly method: Method
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly access: Access
  readonly bucket: Bucket
  readonly params?: P
  readonly input?: I
  /** Where the input may be. Default: the query for GET and DELETE, the body (JSON or form) for the others. */
  readonly placement?: 'query' | 'body' | 'query or body'
  /** By HTTP status. The first is the one for success; where its shape has `status_code`, that is filled in. */
  readonly answers: A
  /** Content type of the answers that are no errors. Default: JSON in UTF-8. */
  readonly contentType?: string
  /** Error statuses beyond those that follow from access and input. */
  readonly errors?: readonly ErrorStatus[]
  /** Files that it takes, as parts of a form. */
  readonly uploads?: Uploads<P, F>
}

/** How an endpoint takes files. */
export interface Uploads<P extends z.ZodObject, F extends AsyncDisposable> {
  /** Names of the form fields that may hold files. */
  readonly fields: readonly string[]
  /** How many files a request may have, as of now. */
  readonly limit: () => number
  /**
   * Takes one file in while it arrives; the access of the endpoint was checked before. What it returns is disposed of
   * when the request is over, also when it failed.
   */
  readonly take: (file: IncomingFile, call: UploadCall<P>) => Promise<F>
}

/** What is known while a form arrives. */
export interface UploadCall<P extends z.ZodObject> {
  readonly params: z.output<P>
  readonly actor: Actor
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** The fields that came before the file. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** An endpoint, GET and HEAD, that answers with something other than JSON. A token may come with the request. */
export interface Download<P extends z.ZodObject> {
  readonly path: string
  /** Name of the rest of the path, for one that ends in `/*`. */
  readonly rest?: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly bucket: Bucket
  readonly params: P
  readonly query: z.ZodObject
}

/** An endpoint, POST, that takes the bytes of its body as they come: somebody has signed them. */
export interface Intake<P extends z.ZodObject, A extends Answers> {
  readonly path: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly bucket: Bucket
  readonly params: P
  /** Content types of the body, for the description. What others bring is for `before` to say. */
  readonly types: readonly string[]
  readonly limitBytes: number
  /** The first is the one for success. */
  readonly answers: A
  readonly errors: readonly number[]
  /** Called before the body is read. What it throws is the answer. */
  readonly before: (request: FastifyRequest) => void
}

/** JSON that was made by hand on a hot path and must match the declared answer. */
export class RawJson {
  readonly status: number
  readonly text: string | Buffer

  constructor(status: number, text: string | Buffer) {
    this.status = status
    this.text = text
  }
}

export interface Call<P extends z.ZodObject, I extends z.ZodObject, W, F extends AsyncDisposable = never> {
  readonly params: z.output<P>
  readonly input: z.output<I>
  /** Whoever asks; undefined only on public endpoints. */
  readonly actor: W
  /** In the order they were sent. */
  readonly files: readonly F[]
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

type AnswerOf<A extends Answers> = WithoutStatus<z.input<A[keyof A]>> | RawJson
type WithoutStatus<T> = T extends unknown ? Omit<T, 'status_code'> : never
type Who<X extends Access> = X extends 'public' ? undefined : Actor

type AnyEndpoint<F extends AsyncDisposable> = Endpoint<z.ZodObject, z.ZodObject, Answers, F>

/** Puts into JSON what only this reader may have. Text that has no place for it comes back as it is. */
export type Personalize = (text: string | Buffer, sessionId: string) => string | Buffer

/** Registers endpoints on a Fastify instance. */
export class Api {
  readonly #app: FastifyInstance
  readonly #authenticate: Authenticate
  readonly #bodyLimit: number
  readonly #bodyOn204: boolean
  readonly #personalize: Personalize
  readonly #forms = new FormReader()
  readonly #limits: RequestLimits
  readonly openApi: OpenApi

  /** @param options.bodyOn204 the upstream client's form: what should be 204 is 200 with a body */
  constructor(
    app: FastifyInstance,
    options: {
      authenticate: Authenticate
      limits: RequestLimits
      bodyLimit: number
      bodyOn204: boolean
      personalize: Personalize
    },
  ) {
    this.#app = app
    this.#authenticate = options.authenticate
    this.#limits = options.limits
    this.#bodyLimit = options.bodyLimit
    this.#bodyOn204 = options.bodyOn204
    this.#personalize = options.personalize
    this.openApi = new OpenApi(options)
  }

  /** Adds an endpoint whose handler gets checked input and returns the answer's body. */
  endpoint<
    const X extends Access,
    A extends Answers,
    P extends z.ZodObject = NoFields,
    I extends z.ZodObject = NoFields,
    F extends AsyncDisposable = never,
  >(
    endpoint: Endpoint<P, I, A, F> & { readonly access: X },
    handle: (call: Call<P, I, Who<X>, F>) => Promise<AnswerOf<A>> | AnswerOf<A>,
  ): void {
    const placement = endpoint.placement ?? (takesBody(endpoint.method) ? 'body' : 'query')
    this.openApi.add(endpoint as unknown as AnyEndpoint<never>, placement)
    this.#app.route({
      method: endpoint.method,
      url: endpoint.path,
      config: {
        access: endpoint.access,
        bucket: endpoint.bucket,
        ...(endpoint.uploads && { takesFiles: true }),
      },
      handler: async (request, reply) => {
        const { fields: body, files } = request.isMultipart()
          ? await this.#readForm(endpoint, request, reply)
          : { fields: bodyOf(request), files: [] }
        try {
          const query = request.query as Record<string, unknown>
          const actor = await this.#actorOf(endpoint.access, { request, reply }, body, query)
          const params = endpoint.params
            ? parseInput(endpoint.params, request.params as Record<string, unknown>, () => 'path')
            : {}
          const input = endpoint.input ? readInput(endpoint.input, placement, body, query) : {}
          const call = { params, input, actor, files, request, reply } as unknown as Call<P, I, Who<X>, F>
          return await this.#answer(endpoint, await handle(call), request, reply)
        } finally {
          for (const file of files) await file[Symbol.asyncDispose]()
        }
      },
    })
  }

  /** Adds an endpoint that is read as it is. Who sends a token that does not count is told so. */
  download<P extends z.ZodObject>(
    endpoint: Download<P>,
    handle: (call: {
      params: z.output<P>
      query: Record<string, unknown>
      actor: Actor | undefined
      request: FastifyRequest
      reply: FastifyReply
    }) => Promise<void>,
  ): void {
    this.openApi.addDownload(endpoint)
    this.#app.route({
      method: ['GET', 'HEAD'],
      url: endpoint.path,
      config: { access: 'public', bucket: endpoint.bucket, countsByAccount: true },
      handler: async (request, reply) => {
        const query = request.query as Record<string, unknown>
        const token = tokenOf(undefined, query, request.headers)
        const actor = token === undefined ? undefined : await this.#authenticate(token)
        request.actor = actor
        await this.#limits.count(request, reply)
        const { '*': rest, ...named } = request.params as Record<string, unknown>
        const given = endpoint.rest === undefined ? named : { ...named, [endpoint.rest]: rest }
        const params = parseInput(endpoint.params, given, () => 'path')
        await handle({ params, query, actor, request, reply })
        return reply
      },
    })
  }

  /** Adds an endpoint that is given the bytes of its body. It is for anybody; the bytes have to speak for themselves. */
  intake<P extends z.ZodObject, A extends Answers>(
    endpoint: Intake<P, A>,
    handle: (call: {
      params: z.output<P>
      body: Buffer
      request: FastifyRequest
      reply: FastifyReply
    }) => Promise<AnswerOf<A>>,
  ): void {
    this.openApi.addIntake(endpoint)
    void this.#app.register((scope, _options, done) => {
      scope.removeAllContentTypeParsers()
      scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body))
      scope.route({
        method: 'POST',
        url: endpoint.path,
        bodyLimit: endpoint.limitBytes,
        config: { access: 'public', bucket: endpoint.bucket, countsByAccount: true },
        onRequest: (request, reply) =>
          this.#unlessRefused(request, reply, async () => endpoint.before(request)),
        handler: (request, reply) =>
          this.#unlessRefused(request, reply, async () => {
            const params = parseInput(
              endpoint.params,
              request.params as Record<string, unknown>,
              () => 'path',
            )
            const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
            return this.#answer(endpoint, await handle({ params, body, request, reply }), request, reply)
          }),
      })
      done()
    })
  }

  /** Whoever brings what is taken is limited by who they are; what is refused counts on where it comes from. */
  async #unlessRefused<T>(request: FastifyRequest, reply: FastifyReply, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof HttpError && error.status < 500) await this.#limits.count(request, reply)
      throw error
    }
  }

  /** Reads a form. Files are taken while they arrive, once it is known whose they are. */
  async #readForm<F extends AsyncDisposable>(
    endpoint: AnyEndpoint<F>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<{ fields: Record<string, unknown>; files: readonly F[] }> {
    const { uploads, access, params: shape } = endpoint
    if (!uploads) return this.#forms.read<F>(request, this.#bodyLimit)
    const query = request.query as Record<string, unknown>
    let actor: Actor | undefined
    const form = await this.#forms.read(request, this.#bodyLimit, {
      fields: uploads.fields,
      limit: uploads.limit(),
      isKnown: async (fields) => {
        if (actor || tokenOf(fields, query, request.headers) === undefined) return actor !== undefined
        actor = await this.#actorOf(access, { request, reply }, fields, query)
        return true
      },
      take: (file, fields) => {
        const params = shape ? parseInput(shape, request.params as Record<string, unknown>, () => 'path') : {}
        return uploads.take(file, { params, actor: actor!, request, reply, fields })
      },
    })
    if (!actor) return form
    const final = await this.#actorOf(access, { request, reply }, form.fields, query)
    if (final?.sessionId === actor.sessionId) return form
    for (const file of form.files) await file[Symbol.asyncDispose]()
    throw badRequest('The request carries different tokens')
  }

  async #actorOf(
    access: Access,
    { request, reply }: { request: FastifyRequest; reply: FastifyReply },
    body: unknown,
    query: unknown,
  ): Promise<Actor | undefined> {
    if (access === 'public') return undefined
    const token = tokenOf(body, query, request.headers)
    if (token === undefined) throw unauthorized()
    const actor = await this.#authenticate(token)
    request.actor = actor
    await this.#limits.count(request, reply)
    if (access !== 'user') demand(actor, access)
    return actor
  }

  #answer(
    { answers, contentType = JSON_TYPE }: { readonly answers: Answers; readonly contentType?: string },
    body: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    reply.header('content-type', contentType)
    if (body instanceof RawJson) {
      const text = request.actor ? this.#personalize(body.text, request.actor.sessionId) : body.text
      return reply.code(body.status).send(text)
    }
    // The handler may have chosen another of the declared statuses.
    const status = reply.statusCode === 200 ? Number(Object.keys(answers)[0]) : reply.statusCode
    const shape = answers[status]
    if (!shape) throw new Error(`an answer ${status} is not declared`)
    const text = JSON.stringify(shape.parse({ status_code: status, ...(body as object) }))
    if (status !== 204) return reply.code(status).send(text)
    if (this.#bodyOn204) return reply.code(200).send(text)
    return reply.code(204).removeHeader('content-type').send()
  }
}

function bodyOf({ body }: FastifyRequest): Record<string, unknown> {
  if (body === undefined || body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw invalidField(['body'], 'must be an object', 'model_attributes_type')
  }
  return body as Record<string, unknown>
}

function readInput<I extends z.ZodObject>(
  schema: I,
  placement: 'query' | 'body' | 'query or body',
  body: Record<string, unknown>,
  query: Record<string, unknown>,
): z.output<I> {
  if (placement === 'query') return parseInput(schema, query, () => 'query')
  if (placement === 'body') return parseInput(schema, body, () => 'body')
  const where = (field: string): string =>
    Object.hasOwn(query, field) && !Object.hasOwn(body, field) ? 'query' : 'body'
  return parseInput(schema, { ...query, ...body }, where)
}

function takesBody(method: Method): boolean {
  return method === 'POST' || method === 'PUT'
}
