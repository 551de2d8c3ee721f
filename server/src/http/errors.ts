/** A problem with one field of a request, in the shape the API documents for 422. */
export interface FieldProblem {
  /** Where: `body`, `query` or `path`, then the field. */
  readonly loc: readonly (string | number)[]
  readonly msg: string
  readonly type: string
}

/** An answer other than success. `detail` goes to the client as it is, so it must tell nothing it should not. */
export class HttpError extends Error {
  readonly status: number
  readonly detail: string
  readonly problems: readonly FieldProblem[] | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(
    status: number,
    detail: string,
    options: { cause?: unknown; problems?: readonly FieldProblem[]; retryAfterSeconds?: number } = {},
  ) {
    super(detail, { cause: options.cause })
    this.name = 'HttpError'
    this.status = status
    this.detail = detail
    this.problems = options.problems
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** 403 for everything, because of the address that it comes from. */
export class BlockedError extends HttpError {
  constructor(retryAfterSeconds: number | undefined) {
    super(403, 'This address is blocked', retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
  }
}

/** 400: understood, but it makes no sense here. */
export function badRequest(detail: string): HttpError {
  return new HttpError(400, detail)
}

/** 401: no token, or one that does not count (any more). */
export function unauthorized(detail = 'Authentication required'): HttpError {
  return new HttpError(401, detail)
}

/** 403: known, but not allowed. */
export function forbidden(detail = 'Access forbidden'): HttpError {
  return new HttpError(403, detail)
}

/** 404: it does not exist, or may not be known to exist. `what` names the kind, `id` what was asked for. */
export function notFound(what: string, id?: string): HttpError {
  return new HttpError(404, id === undefined ? `${what} not found` : `${what} not found: '${shorten(id)}'`)
}

/** 409: somebody else has it already. */
export function conflict(detail: string): HttpError {
  return new HttpError(409, detail)
}

/** 422: a field is missing or malformed. */
export function invalidField(loc: FieldProblem['loc'], msg: string, type: string): HttpError {
  return invalid([{ loc, msg, type }])
}

/** 422 for several fields at once. */
export function invalid(problems: readonly FieldProblem[]): HttpError {
  const detail = problems
    .map(({ loc, msg }) => `${loc.slice(1).join('.') || loc.join('.')}: ${msg}`)
    .join('; ')
  return new HttpError(422, detail, { problems })
}

/** 429: too much, or too often; nothing was done. */
export function tooManyRequests(detail: string, retryAfterSeconds: number): HttpError {
  return new HttpError(429, detail, { retryAfterSeconds })
}

/** 503: not now; nothing was changed. */
export function unavailable(detail: string, retryAfterSeconds: number, cause?: unknown): HttpError {
  return new HttpError(503, detail, { retryAfterSeconds, cause })
}

/**
 * What the body of an error answer says, beside `debug`. Refusals because of limits and blocks say it twice: known
 * clients of the API read `message`.
 */
export function errorBody(error: HttpError): object {
  const { status, detail, problems, retryAfterSeconds } = error
  const limits = status === 429 || error instanceof BlockedError
  return {
    detail,
    ...(problems && { errors: problems }),
    ...(limits && { message: detail, retry_after_seconds: retryAfterSeconds }),
  }
}

function shorten(id: string): string {
  return id.length <= 64 ? id : `${id.slice(0, 61)}...`
}
