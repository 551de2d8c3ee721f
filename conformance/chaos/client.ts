// oxlint-disable-next-line typescript/no-explicit-any -- answers of every shape are looked into
type Body = any

/** Sends a request as a client would. @throws when there is no answer */
export async function call(
  url: string,
  method: string,
  path: string,
  options: { token?: string; json?: object; form?: Readonly<Record<string, string>> } = {},
): Promise<{ status: number; body: Body }> {
  const headers = new Headers()
  if (options.token !== undefined) headers.set('authorization', `Bearer ${options.token}`)
  let body: string | FormData | undefined
  if (options.json) {
    headers.set('content-type', 'application/json')
    body = JSON.stringify(options.json)
  } else if (options.form) {
    body = new FormData()
    for (const [name, value] of Object.entries(options.form)) body.append(name, value)
  }
  const response = await fetch(url + path, {
    method,
    headers,
    signal: AbortSignal.timeout(30_000),
    ...(body !== undefined && { body }),
  })
  return { status: response.status, body: await response.json() }
}

/** @returns a token. @throws when the answer is not the one hoped for */
export async function signUp(url: string, username: string): Promise<string> {
  const json = { username, password: crypto.randomUUID() }
  const { status, body } = await call(url, 'POST', '/api/v1/users/signup', { json })
  if (status !== 201) throw new Error(`signing up answered ${status}: ${JSON.stringify(body)}`)
  return body.auth_token as string
}

export async function createChannel(url: string, token: string, name: string): Promise<string> {
  const json = { channel_name: name, is_private: false }
  const { status, body } = await call(url, 'POST', '/api/v1/channels/create/', { token, json })
  if (status !== 200) throw new Error(`creating a channel answered ${status}: ${JSON.stringify(body)}`)
  return body.channel_data.channel_id as string
}

/** A message as the server has it. */
export interface Stored {
  readonly id: string
  readonly seq: number
  readonly text: string
}

/** Every message of a channel with a number above `seq`, oldest first. @throws when a page cannot be read */
export async function historyAfter(
  url: string,
  token: string,
  channel: string,
  seq: number,
): Promise<Stored[]> {
  const all: Stored[] = []
  for (;;) {
    const query = `after=${all.at(-1)?.seq ?? seq}&messages_per_page=50`
    const path = `/api/v1/channels/${channel}/load_messages?${query}`
    const { status, body } = await call(url, 'GET', path, { token })
    if (status !== 200) throw new Error(`reading answered ${status}: ${JSON.stringify(body)}`)
    if (body.messages.length === 0) return all
    for (const { message_id: id, seq: number, message: text } of body.messages)
      all.push({ id, seq: number, text })
  }
}
