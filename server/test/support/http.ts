import { expect } from 'vitest'
import { checkAgainstDescription } from './openapi.ts'

/** What a request needs to know of a server. */
export interface Reachable {
  readonly url: string
  readonly running: { openApi(): object }
}

export interface RequestOptions {
  readonly query?: Record<string, string | number | undefined>
  readonly json?: unknown
  readonly form?: Record<string, string> | FormData
  readonly urlencoded?: Record<string, string>
  readonly raw?: string | Uint8Array
  readonly headers?: Record<string, string>
  /** Sent as `Authorization: Bearer`. */
  readonly token?: string
  /** Set for answers that are not of the API, such as the documentation. */
  readonly undescribed?: true
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into bodies of every shape
  readonly body: any
}

/** Sends a request and holds the answer against the server's OpenAPI document and against rules for all answers. */
export async function request(
  server: Reachable,
  method: string,
  path: string,
  options: RequestOptions = {},
): Promise<Answer> {
  const url = new URL(server.url + path)
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  const headers = new Headers(options.headers)
  if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`)
  const response = await fetch(url, { method, headers, redirect: 'manual', ...bodyOf(options, headers) })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true
  const answer = {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : undefined,
  }
  if (!options.undescribed) {
    checkEveryAnswer(answer)
    checkAgainstDescription(server.running.openApi(), method, url.pathname, answer)
  }
  return answer
}

function bodyOf(options: RequestOptions, headers: Headers): RequestInit {
  if (options.json !== undefined) {
    headers.set('content-type', 'application/json')
    return { body: JSON.stringify(options.json) }
  }
  if (options.form instanceof FormData) return { body: options.form }
  if (options.form) {
    const form = new FormData()
    for (const [name, value] of Object.entries(options.form)) form.set(name, value)
    return { body: form }
  }
  if (options.urlencoded) return { body: new URLSearchParams(options.urlencoded) }
  if (options.raw !== undefined) return { body: options.raw as RequestInit['body'] & {} }
  return {}
}

function checkEveryAnswer({ status, headers, body }: Answer): void {
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  expect(headers.get('access-control-allow-origin')).toBe('*')
  expect(headers.get('cache-control')).toBe('no-store')
  if (status >= 400 && body !== undefined) expect(typeof body.detail).toBe('string')
  if (status === 401) expect(headers.get('www-authenticate')).toBe('Bearer')
}
