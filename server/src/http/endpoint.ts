import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { demand, type Access, type Actor, type Authenticate, type Bucket } from './access.ts'
import { invalidField, unauthorized } from './errors.ts'
import { readForm } from './form.ts'
import { parseInput } from './input.ts'
import { OpenApi } from './openapi.ts'
import type { RequestLimits } from './rate-limit/hooks.ts'
import { tokenOf } from './token.ts'

export type ErrorStatus = 400 | 403 | 404 | 409 | 413
type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'
type Answers = Readonly<Record<number, z.ZodType>>
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- it is empty on purpose
type NoFields = z.ZodObject<Record<never, never>>

const JSON_TYPE = 'application/json; charset=utf-8'

/**
 * One endpoint, declared once: what validates it, types its handler, shapes its answer and describes it in
 * the OpenAPI document. Access and rate bucket must be said; a route without them does not compile.
 */
export interface Endpoint<P extends z.ZodObject, I extends z.ZodObject, A extends Answers> {
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

export interface Call<P extends z.ZodObject, I extends z.ZodObject, W> {
  readonly params: z.output<P>
  readonly input: z.output<I>
  /** Whoever asks; undefined only on public endpoints. */
  readonly actor: W
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

type AnswerOf<A extends Answers> = WithoutStatus<z.input<A[keyof A]>> | RawJson
type WithoutStatus<T> = T extends unknown ? Omit<T, 'status_code'> : never
type Who<X extends Access> = X extends 'public' ? undefined : Actor

/** Registers endpoints on a Fastify instance. */
export class Api {
  readonly #app: FastifyInstance
  readonly #authenticate: Authenticate
  readonly #bodyLimit: number
  readonly #bodyOn204: boolean
  readonly #limits: RequestLimits
  readonly openApi: OpenApi

  /** @param options.bodyOn204 the upstream client's form: what should be 204 is 200 with a body */
  constructor(
    app: FastifyInstance,
    options: { authenticate: Authenticate; limits: RequestLimits; bodyLimit: number; bodyOn204: boolean },
  ) {
    this.#app = app
    this.#authenticate = options.authenticate
    this.#limits = options.limits
    this.#bodyLimit = options.bodyLimit
    this.#bodyOn204 = options.bodyOn204
    this.openApi = new OpenApi(options)
  }

  /** Adds an endpoint whose handler gets checked input and returns the answer's body. */
  endpoint<
    const X extends Access,
    A extends Answers,
    P extends z.ZodObject = NoFields,
    I extends z.ZodObject = NoFields,
  >(
    endpoint: Endpoint<P, I, A> & { readonly access: X },
    handle: (call: Call<P, I, Who<X>>) => Promise<AnswerOf<A>> | AnswerOf<A>,
  ): void {
    const placement = endpoint.placement ?? (takesBody(endpoint.method) ? 'body' : 'query')
    this.openApi.add(endpoint, placement)
    this.#app.route({
      method: endpoint.method,
      url: endpoint.path,
      config: { access: endpoint.access, bucket: endpoint.bucket },
      handler: async (request, reply) => {
        const body = await this.#bodyOf(request)
        const query = request.query as Record<string, unknown>
        const actor = await this.#actorOf(endpoint.access, { request, reply }, body, query)
        const params = endpoint.params
          ? parseInput(endpoint.params, request.params as Record<string, unknown>, () => 'path')
          : {}
        const input = endpoint.input ? readInput(endpoint.input, placement, body, query) : {}
        const call = { params, input, actor, request, reply } as Call<P, I, Who<X>>
        return this.#answer(endpoint, await handle(call), reply)
      },
    })
  }

  async #bodyOf(request: FastifyRequest): Promise<Record<string, unknown>> {
    if (request.isMultipart()) return await readForm(request, this.#bodyLimit)
    const { body } = request
    if (body === undefined || body === null) return {}
    if (typeof body !== 'object' || Array.isArray(body)) {
      throw invalidField(['body'], 'must be an object', 'model_attributes_type')
    }
    return body as Record<string, unknown>
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
    { answers, contentType = JSON_TYPE }: Pick<Endpoint<never, never, Answers>, 'answers' | 'contentType'>,
    body: unknown,
    reply: FastifyReply,
  ): FastifyReply {
    reply.header('content-type', contentType)
    if (body instanceof RawJson) return reply.code(body.status).send(body.text)
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
