import { expect } from 'vitest'
import { request, type Answer, type RequestOptions } from './http.ts'
import type { Home, Person } from './person.ts'

/** A file to be sent. Random text unless said otherwise. */
export function textFile(
  name = 'notes.txt',
  content: string | Uint8Array = `text ${crypto.randomUUID()}`,
): File {
  return new File([content as string], name)
}

/** A form, with its parts in this order. */
export function formOf(...parts: readonly (readonly [string, string | File])[]): FormData {
  const form = new FormData()
  for (const [name, value] of parts) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, value.name)
  }
  return form
}

/** Sends a message with files. */
export async function sendFiles(
  person: Person,
  channel: string,
  files: readonly File[],
  text?: string,
): Promise<Answer> {
  const parts = files.map((file) => ['attachments', file] as const)
  return request(person.server, 'POST', `/api/v1/channels/${channel}/send_message`, {
    token: person.token,
    form: formOf(...(text === undefined ? [] : [['message', text] as const]), ...parts),
  })
}

/** Like {@link sendFiles}, for when it must work. @returns the message */
// oxlint-disable-next-line typescript/no-explicit-any -- messages as they come over the wire
export async function sentFiles(...parameters: Parameters<typeof sendFiles>): Promise<any> {
  const { status, body } = await sendFiles(...parameters)
  expect(status, JSON.stringify(body)).toBe(201)
  return body.message_data
}

export interface Fetched {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Buffer
}

/** Fetches a file as an `<img>` would: nothing but its address, unless said otherwise. */
export async function fetchFile(
  server: Pick<Home, 'url'>,
  url: string,
  options: Pick<RequestOptions, 'headers' | 'token'> & { method?: string } = {},
): Promise<Fetched> {
  const headers = new Headers(options.headers)
  if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`)
  const response = await fetch(new URL(url, server.url), {
    method: options.method ?? 'GET',
    headers,
    redirect: 'manual',
  })
  return {
    status: response.status,
    headers: response.headers,
    bytes: Buffer.from(await response.arrayBuffer()),
  }
}

/** The address of a file without what makes it a link. */
export function bare(url: string): string {
  return new URL(url, 'http://x').pathname
}
