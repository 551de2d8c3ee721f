import { z } from 'zod'
import { version } from '#lib/version.ts'
import type { Download, Endpoint, Intake } from './endpoint.ts'
import { ErrorAnswer, RateLimitAnswer, ValidationAnswer } from './schemas.ts'

type AnyEndpoint = Endpoint<z.ZodObject, z.ZodObject, Readonly<Record<number, z.ZodType>>>
const FORM = 'multipart/form-data'
type Json = Record<string, unknown>

const BODY_TYPES = ['application/json', FORM, 'application/x-www-form-urlencoded']

const REASONS: Readonly<Record<number, string>> = {
  200: 'Success',
  201: 'Created',
  202: 'Accepted',
  204: 'Done; no body',
  400: 'The request makes no sense here',
  401: 'The token (or password) is missing, wrong, expired or revoked',
  403: 'Not allowed',
  404: 'It does not exist, or the caller may not know that it does',
  409: 'Somebody else has it already',
  410: 'It was here, and is no more',
  412: 'It is not the one that was expected',
  413: 'Too large',
  415: 'Neither JSON nor a form',
  416: 'The range is outside of it',
  421: 'The request is meant for another host',
  422: 'A field is missing or malformed',
  429: 'Too many requests; nothing was done',
  500: 'The server failed',
  503: 'Not now; nothing was changed',
  507: 'There is no room for it',
}

const tokenField = z
  .string()
  .optional()
  .meta({ description: 'Access token. May also be sent as a query parameter or as `Authorization: Bearer`.' })

/**
 * Collects endpoints and turns them into an OpenAPI 3.1 document. The work is done when the document is first asked for:
 * a start does not wait for it, and most servers are never asked.
 */
export class OpenApi {
  /** What describes the endpoints that were added and are not in `#paths` yet, in order. */
  readonly #waiting: (() => void)[] = []
  readonly #paths: Record<string, Record<string, Json>> = {}
  readonly #schemas: Json = {}
  /** Of shapes that were described before: every endpoint has the same errors. */
  readonly #known = { input: new Map<z.ZodType, Json>(), output: new Map<z.ZodType, Json>() }
  readonly #bodyOn204: boolean

  /** @param options.bodyOn204 answers declared 204 leave as 200 with a body */
  constructor(options: { bodyOn204: boolean }) {
    this.#bodyOn204 = options.bodyOn204
  }

  add(endpoint: AnyEndpoint, placement: 'query' | 'body' | 'query or body'): void {
    this.#waiting.push(() => this.#describe(endpoint, placement))
  }

  addDownload(endpoint: Download<z.ZodObject>): void {
    this.#waiting.push(() => this.#describeDownload(endpoint))
  }

  addIntake(endpoint: Intake<z.ZodObject, Readonly<Record<number, z.ZodType>>>): void {
    this.#waiting.push(() => this.#describeIntake(endpoint))
  }

  /** @param origin public origin of this server */
  document(origin: string): Json {
    for (const describe of this.#waiting.splice(0)) describe()
    for (const known of Object.values(this.#known)) known.clear()
    return {
      openapi: '3.1.0',
      info: {
        title: 'PufferBlow',
        version,
        description:
          'Self-hosted community chat. Tokens may be sent as `Authorization: Bearer`, as the query parameter ' +
          '`auth_token`, or as the field `auth_token` of a JSON body or form. Errors are `{"detail": "…"}`; ' +
          '`?debug=1` adds the request id and timings. Every answer has `X-RateLimit-Limit`, `-Remaining`, ' +
          '`-Reset` and `Retry-After`. Sockets are described in docs/sockets.md.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: origin }],
      paths: this.#paths,
      components: {
        schemas: this.#schemas,
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
          query: { type: 'apiKey', in: 'query', name: 'auth_token' },
        },
      },
    }
  }

  #describe(endpoint: AnyEndpoint, placement: 'query' | 'body' | 'query or body'): void {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}')
    const operations = (this.#paths[path] ??= {})
    operations[endpoint.method.toLowerCase()] = this.#operation(endpoint, placement)
  }

  #describeDownload(endpoint: Download<z.ZodObject>): void {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}').replace('*', `{${endpoint.rest ?? ''}}`)
    const anything = { content: { '*/*': {} } }
    const errors = [400, 401, 403, 404, 412, 416, 500, 503]
    const operation = {
      tags: [endpoint.tag],
      summary: endpoint.summary,
      ...(endpoint.description !== undefined && { description: endpoint.description }),
      parameters: [
        ...this.#parameters('path', endpoint.params),
        ...this.#parameters('query', endpoint.query.extend({ auth_token: tokenField })),
      ],
      security: [],
      responses: {
        200: { description: 'The content', ...anything },
        206: { description: 'A part of the content, or several', ...anything },
        304: { description: "The client's copy is current" },
        ...Object.fromEntries(errors.map((status) => [status, this.#response(status, ErrorAnswer)])),
        422: this.#response(422, ValidationAnswer),
        429: this.#response(429, RateLimitAnswer),
      },
    }
    // HEAD comes with GET and is not described apart (RFC 9110, section 9.3.2).
    this.#paths[path] = { get: { operationId: operationId({ ...endpoint, method: 'GET' }), ...operation } }
  }

  #describeIntake(endpoint: Intake<z.ZodObject, Readonly<Record<number, z.ZodType>>>): void {
    const path = endpoint.path.replace(/:(\w+)/g, '{$1}')
    const errors = [...endpoint.errors, 413, 415, 500, 503]
    const responses = Object.entries(endpoint.answers).map(([status, schema]) => [
      status,
      this.#response(Number(status), schema),
    ])
    const operation = {
      operationId: operationId({ ...endpoint, method: 'POST' }),
      tags: [endpoint.tag],
      summary: endpoint.summary,
      ...(endpoint.description !== undefined && { description: endpoint.description }),
      parameters: this.#parameters('path', endpoint.params),
      security: [],
      requestBody: {
        required: true,
        content: Object.fromEntries(endpoint.types.map((type) => [type, { schema: { type: 'object' } }])),
      },
      responses: {
        ...Object.fromEntries(responses),
        ...Object.fromEntries(errors.map((status) => [status, this.#response(status, ErrorAnswer)])),
        422: this.#response(422, ValidationAnswer),
        429: this.#response(429, RateLimitAnswer),
      },
    }
    this.#paths[path] = { post: operation }
  }

  #operation(endpoint: AnyEndpoint, placement: 'query' | 'body' | 'query or body'): Json {
    const needsToken = endpoint.access !== 'public'
    const inQuery = placement === 'body' ? z.object({}) : (endpoint.input ?? z.object({}))
    const inBody = placement === 'query' ? undefined : (endpoint.input ?? z.object({}))
    const either = placement === 'query or body'
    const query = needsToken ? inQuery.extend({ auth_token: tokenField }) : inQuery
    const operation: Json = {
      operationId: operationId(endpoint),
      tags: [endpoint.tag],
      summary: endpoint.summary,
      parameters: [
        ...this.#parameters('path', endpoint.params ?? z.object({})),
        ...this.#parameters('query', either ? query.partial() : query),
      ],
      security: needsToken ? [{ bearer: [] }, { query: [] }, {}] : [],
      responses: this.#responses(endpoint, needsToken),
    }
    const notes = [endpoint.description]
    if (either) notes.push('The fields may be sent in the query or in the body; the body wins.')
    if (needsToken && endpoint.access !== 'user') notes.push(`Needs the privilege \`${endpoint.access}\`.`)
    const description = notes.filter((note) => note !== undefined).join('\n\n')
    if (description !== '') operation['description'] = description
    if (inBody)
      operation['requestBody'] = this.#body(
        needsToken ? inBody.extend({ auth_token: tokenField }) : inBody,
        either,
        endpoint.uploads?.fields ?? [],
      )
    return operation
  }

  #parameters(place: 'path' | 'query', schema: z.ZodObject): Json[] {
    const { properties = {}, required = [] } = this.#schema(schema, 'input') as {
      properties?: Record<string, Json>
      required?: string[]
    }
    return Object.entries(properties).map(([name, { description, ...property }]) => ({
      name,
      in: place,
      required: required.includes(name),
      ...(description !== undefined && { description }),
      schema: property,
    }))
  }

  /** @param files names of fields that hold files; only one kind of form has them */
  #body(schema: z.ZodObject, either: boolean, files: readonly string[]): Json {
    const json = this.#schema(either ? schema.partial() : schema, 'input')
    const required = Array.isArray(json['required']) && json['required'].length > 0
    const content: Json = Object.fromEntries(BODY_TYPES.map((type) => [type, { schema: json }]))
    if (files.length > 0) {
      const file = { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } }
      const properties = {
        ...(json['properties'] as Json),
        ...Object.fromEntries(files.map((name) => [name, file])),
      }
      content[FORM] = { schema: { ...json, properties } }
    }
    return { required, content }
  }

  #responses(endpoint: AnyEndpoint, needsToken: boolean): Json {
    const responses: Json = {}
    for (const [status, schema] of Object.entries(endpoint.answers)) {
      if (status !== '204') responses[status] = this.#response(Number(status), schema, endpoint.contentType)
      else if (this.#bodyOn204) responses['200'] = this.#response(200, schema)
      else responses['204'] = { description: REASONS[204] }
    }
    const errors = new Set<number>([...(endpoint.errors ?? []), 500, 503])
    // Any request may come from an address that is blocked.
    errors.add(403)
    if (needsToken) errors.add(401)
    if (endpoint.access === 'public' && endpoint.bucket === 'auth') errors.add(401)
    for (const status of [400, 413, 415]) errors.add(status)
    for (const status of [...errors].toSorted((a, b) => a - b)) {
      responses[status] = this.#response(status, ErrorAnswer)
    }
    responses['422'] = this.#response(422, ValidationAnswer)
    responses['429'] = this.#response(429, RateLimitAnswer)
    return responses
  }

  #response(status: number, schema: z.ZodType, contentType = 'application/json'): Json {
    return {
      description: REASONS[status] ?? 'Answer',
      content: { [contentType.replace(/;.*$/, '')]: { schema: this.#schema(schema, 'output') } },
    }
  }

  /** JSON Schema of `schema`; shared shapes (those with an id) move to `components` and are referred to. */
  #schema(schema: z.ZodType, io: 'input' | 'output'): Json {
    const known = this.#known[io].get(schema)
    if (known) return known
    const json = this.#convert(schema, io)
    this.#known[io].set(schema, json)
    return json
  }

  #convert(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $schema,
      $defs = {},
      ...json
    } = z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' }) as Json & {
      $defs?: Json
    }
    void $schema
    for (const [name, shape] of Object.entries($defs)) this.#schemas[name] = relink(shape)
    const { id } = (schema.meta() ?? {}) as { id?: string }
    // A shape with an id comes as a reference to itself among the definitions.
    if (id === undefined || json['$ref'] !== undefined) return relink(json) as Json
    this.#schemas[id] = relink(json)
    return { $ref: `#/components/schemas/${id}` }
  }
}

function relink(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(relink)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== 'id' || typeof (value as Json)['id'] !== 'string')
      .map(([key, inner]) =>
        key === '$ref' && typeof inner === 'string'
          ? [key, inner.replace('#/$defs/', '#/components/schemas/')]
          : [key, relink(inner)],
      ),
  )
}

function operationId({ method, path }: { method: string; path: string }): string {
  const words = path
    .replace(/^\/api\/v1/, '')
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
  return [method.toLowerCase(), ...words].join('_')
}
