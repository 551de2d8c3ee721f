import { expect, inject } from 'vitest'

/** Where a client puts its token. The reference allows all of them on every route. */
export type Placement = 'header' | 'query' | 'body'
export const placements: readonly Placement[] = ['header', 'query', 'body']

export interface CallOptions {
  readonly token?: string
  /** Default: header. */
  readonly placement?: Placement
  readonly query?: Readonly<Record<string, string | number>>
  readonly json?: object
  readonly form?: Readonly<Record<string, string | Blob | readonly Blob[]>>
  readonly raw?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every shape are looked into
  readonly body: any
}

/** The address of the server under test, without a slash at the end. */
export function baseUrl(): string {
  return inject('target').url
}

/** Sends a request as a client would. Redirects are answers, not followed. */
export async function call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const url = new URL(baseUrl() + path)
  for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, String(value))
  const headers = new Headers(options.headers)
  const placement = options.placement ?? 'header'
  const { token } = options
  if (token !== undefined && placement === 'header') headers.set('authorization', `Bearer ${token}`)
  if (token !== undefined && placement === 'query') url.searchParams.set('auth_token', token)
  const inBody = token !== undefined && placement === 'body' ? { auth_token: token } : {}
  let body: FormData | string | Uint8Array<ArrayBuffer> | undefined
  if (options.form) {
    body = formOf({ ...inBody, ...options.form })
  } else if (options.raw !== undefined) {
    body = options.raw as string | Uint8Array<ArrayBuffer>
  } else if (options.json !== undefined || placement === 'body') {
    headers.set('content-type', 'application/json')
    body = JSON.stringify({ ...inBody, ...options.json })
  }
  const response = await fetch(url, {
    method,
    headers,
    redirect: 'manual',
    ...(body !== undefined && { body }),
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = new TextDecoder().decode(bytes)
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : undefined,
  }
}

function formOf(fields: NonNullable<CallOptions['form']>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) form.append(name, one as string | Blob)
  }
  return form
}

/** An error in the documented shape, with one of the statuses. */
export function expectError(answer: Answer, ...statuses: number[]): void {
  expect(statuses, answer.text.slice(0, 300)).toContain(answer.status)
  expect(typeof answer.body?.detail, answer.text.slice(0, 300)).toBe('string')
}

/** A success with `status_code` in the body, as every JSON success of the API has. */
export function expectSuccess(answer: Answer, status: number): void {
  expect(answer.status, answer.text.slice(0, 300)).toBe(status)
  expect(answer.body?.status_code, answer.text.slice(0, 300)).toBe(status)
}
