import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { Egress } from './egress.ts'
import { EgressFailedError, EgressRefusedError } from './errors.ts'
import type { Resolve } from './resolve.ts'

const DEADLINE_MS = 400

interface Host extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Paths of the requests that came. */
  readonly requests: string[]
  readonly headers: IncomingMessage['headers'][]
}

/** A host that does with requests what `listener` says. */
async function host(listener: RequestListener): Promise<Host> {
  const requests: string[] = []
  const headers: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    requests.push(request.url ?? '')
    headers.push(request.headers)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    requests,
    headers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function egress(options: { allowPrivate?: boolean; resolve?: Resolve; ownHost?: string } = {}): Egress {
  return new Egress(
    {
      allowPrivate: options.allowPrivate ?? true,
      ports: new Set(),
      ownHost: () => options.ownHost ?? 'chat.example.org',
    },
    {
      userAgent: () => 'test',
      deadlineMs: DEADLINE_MS,
      ...(options.resolve && { resolve: options.resolve }),
    },
  )
}

function text(response: ServerResponse, body: string | Buffer, headers: Record<string, string> = {}): void {
  response.writeHead(200, headers).end(body)
}

const get = { method: 'GET', redirects: 3 } as const

test('a request brings status, headers and body of the answer', async () => {
  await using there = await host((_request, response) => text(response, 'hello', { 'X-Greeting': 'yes' }))
  await using out = egress()
  const answer = await out.request({
    ...get,
    url: `${there.url}/a?b=c`,
    headers: () => ({ accept: 'text/x' }),
  })
  expect(answer).toMatchObject({ status: 200, url: new URL(`${there.url}/a?b=c`) })
  expect(answer.headers['x-greeting']).toBe('yes')
  expect(answer.body.toString()).toBe('hello')
  expect(there.requests).toEqual(['/a?b=c'])
  expect(there.headers[0]).toMatchObject({ accept: 'text/x', 'user-agent': 'test' })
})

test('a body that was posted arrives byte for byte, once, whatever the answer', async () => {
  const received: Buffer[] = []
  await using there = await host((request, response) => {
    request.on('data', (chunk: Buffer) => void received.push(chunk))
    request.on('end', () => response.writeHead(307, { location: '/elsewhere' }).end())
  })
  await using out = egress()
  const body = Buffer.from('{"a":"ü"}')
  const answer = await out.request({ method: 'POST', url: `${there.url}/inbox`, body, redirects: 3 })
  expect(answer.status).toBe(307)
  expect(Buffer.concat(received)).toEqual(body)
  expect(there.requests).toEqual(['/inbox'])
})

describe('addresses', () => {
  test.each([
    ['only a private address', ['127.0.0.1']],
    ['a private address among public ones', ['93.184.216.34', '127.0.0.1']],
    ['the metadata address', ['169.254.169.254']],
    ['a private IPv6 address', ['2606:4700::1111', '::1']],
    ['a mapped address', ['::ffff:127.0.0.1']],
  ])('a name with %s is refused before anything connects', async (_what, addresses) => {
    await using there = await host((_request, response) => text(response, 'secret'))
    await using out = egress({ allowPrivate: false, resolve: async () => addresses })
    await expect(out.request({ ...get, url: 'https://peer.example/' })).rejects.toThrow(EgressRefusedError)
    expect(there.requests).toEqual([])
  })

  test('a name that turns to another address after the first look is refused then', async () => {
    await using there = await host((_request, response) => text(response, 'hello', { connection: 'close' }))
    const answers = [['127.0.0.1'], ['169.254.169.254']]
    await using out = egress({ resolve: async () => answers.shift()! })
    const url = `http://peer.example:${there.port}/`
    expect((await out.request({ ...get, url })).status).toBe(200)
    await expect(out.request({ ...get, url })).rejects.toThrow(EgressRefusedError)
    expect(there.requests).toHaveLength(1)
  })

  test('the connection goes to the address that was checked, with the name in its headers', async () => {
    await using there = await host((_request, response) => text(response, 'hello'))
    const asked: string[] = []
    await using out = egress({
      resolve: async (name) => {
        asked.push(name)
        return ['127.0.0.1']
      },
    })
    await out.request({ ...get, url: `http://peer.example:${there.port}/` })
    expect(asked).toEqual(['peer.example'])
    expect(there.headers[0]!.host).toBe(`peer.example:${there.port}`)
  })

  test('a name without an address is a failure, not a refusal', async () => {
    await using out = egress({
      allowPrivate: false,
      resolve: async () => {
        throw new EgressFailedError('the host has no address')
      },
    })
    await expect(out.request({ ...get, url: 'https://peer.example/' })).rejects.toThrow(EgressFailedError)
  })
})

describe('redirects', () => {
  test.each([
    ['the metadata address', 'http://169.254.169.254/latest/'],
    ['another scheme', 'file:///etc/passwd'],
    ['a decimal address', 'http://2852039166/'],
    ['ourselves', 'http://127.0.0.1:7575/'],
  ])('a redirect to %s is refused', async (_what, location) => {
    await using there = await host((_request, response) => response.writeHead(302, { location }).end())
    await using out = egress({ ownHost: '127.0.0.1:7575' })
    await expect(out.request({ ...get, url: there.url })).rejects.toThrow(EgressRefusedError)
  })

  test('each hop is admitted by the caller, and its headers are made for it', async () => {
    await using end = await host((_request, response) => text(response, 'here'))
    await using start = await host((_request, response) =>
      response.writeHead(301, { location: `${end.url}/b` }).end(),
    )
    await using out = egress()
    const admitted: string[] = []
    const answer = await out.request({
      ...get,
      url: `${start.url}/a`,
      admit: ({ host: name }) => void admitted.push(name),
      headers: ({ pathname }) => ({ 'x-path': pathname }),
    })
    expect(answer.url.href).toBe(`${end.url}/b`)
    expect(admitted).toEqual([`127.0.0.1:${start.port}`, `127.0.0.1:${end.port}`])
    expect([start.headers[0]!['x-path'], end.headers[0]!['x-path']]).toEqual(['/a', '/b'])
  })

  test('a hop that the caller does not admit is not looked up', async () => {
    await using start = await host((_request, response) =>
      response.writeHead(302, { location: 'http://blocked.example/' }).end(),
    )
    const asked: string[] = []
    await using out = egress({
      resolve: async (name) => {
        asked.push(name)
        return ['127.0.0.1']
      },
    })
    const admit = ({ hostname }: URL): void => {
      if (hostname === 'blocked.example') throw new EgressRefusedError('blocked')
    }
    await expect(out.request({ ...get, url: start.url, admit })).rejects.toThrow('blocked')
    expect(asked).toEqual([])
  })

  test('a circle ends after as many hops as are allowed', async () => {
    await using there = await host((_request, response) => response.writeHead(302, { location: '/' }).end())
    await using out = egress()
    await expect(out.request({ ...get, url: there.url })).rejects.toThrow('redirects too often')
    expect(there.requests).toHaveLength(4)
  })
})

describe('a host that misbehaves', () => {
  const MB = 1024 * 1024

  async function failure(listener: RequestListener): Promise<{ message: string; ms: number }> {
    await using there = await host(listener)
    await using out = egress()
    const start = performance.now()
    const error = await out.request({ ...get, url: there.url }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(EgressFailedError)
    return { message: (error as Error).message, ms: performance.now() - start }
  }

  test('never answers: the deadline ends it', async () => {
    const { message, ms } = await failure(() => {})
    expect(message).toBe('no answer came in time')
    expect(ms).toBeLessThan(DEADLINE_MS + 5000)
  })

  test('drips its body: the deadline is for the whole, not for each byte', async () => {
    const { message, ms } = await failure((request, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('.'), 50)
      request.on('close', () => clearInterval(timer))
    })
    expect(message).toBe('no answer came in time')
    expect(ms).toBeLessThan(DEADLINE_MS + 5000)
  })

  test('sends without end: it is cut at the bound', async () => {
    let sent = 0
    const { message } = await failure((request, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!request.destroyed && sent < 200 * MB) {
          sent += MB
          if (!response.write(Buffer.alloc(MB))) return void response.once('drain', more)
        }
      }
      more()
    })
    expect(message).toBe('the answer is too large')
    expect(sent).toBeLessThan(20 * MB)
  })

  test.each([
    ['gzip', gzipSync],
    ['br', (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })],
  ] as const)('sends a %s bomb: it is unpacked no further than the bound', async (encoding, pack) => {
    const bomb = pack(Buffer.alloc(16 * MB))
    const { message } = await failure((_request, response) =>
      text(response, bomb, { 'content-encoding': encoding }),
    )
    expect(message).toMatch(/cannot be unpacked/)
  })

  test.each(['gzip, gzip', 'zstd', 'compress', '__proto__'])(
    'packs its answer as %s: refused',
    async (encoding) => {
      const { message } = await failure((_request, response) =>
        text(response, 'x', { 'content-encoding': encoding }),
      )
      expect(message).toBe('the answer is packed in an unknown way')
    },
  )

  test.each([
    ['sends huge headers', (_request, response) => text(response, 'x', { 'x-a': 'x'.repeat(20_000) })],
    ['breaks off at once', (request) => request.socket.destroy()],
    [
      'breaks off half way',
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' }).write('half')
        setTimeout(() => response.destroy(), 10)
      },
    ],
  ] satisfies [string, RequestListener][])('%s: no answer', async (_what, listener) => {
    expect((await failure(listener)).message).toBe('the host cannot be reached')
  })

  test('what was packed as it should be is unpacked', async () => {
    await using there = await host((_request, response) =>
      text(response, gzipSync('hello'), { 'content-encoding': 'gzip' }),
    )
    await using out = egress()
    expect((await out.request({ ...get, url: there.url })).body.toString()).toBe('hello')
  })
})

test('a slow host gets two requests at a time and holds up nobody else', async () => {
  const open: ServerResponse[] = []
  let arrived: (() => void) | undefined
  await using slow = await host((_request, response) => {
    open.push(response)
    arrived?.()
  })
  await using quick = await host((_request, response) => text(response, 'hello'))
  await using out = egress()
  const waiting = Array.from({ length: 5 }, () => out.request({ ...get, url: slow.url }))
  while (open.length < 2) await new Promise<void>((resolve) => (arrived = resolve))
  for (let i = 0; i < 5; i++) expect((await out.request({ ...get, url: quick.url })).status).toBe(200)
  expect(open).toHaveLength(2)
  for (let answered = 0; answered < 5; answered++) {
    while (open.length <= answered) await new Promise<void>((resolve) => (arrived = resolve))
    text(open[answered]!, 'at last')
  }
  expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
})

test('more than a queue full of requests to one host are refused at once', async () => {
  await using slow = await host(() => {})
  await using out = egress()
  const all = Array.from({ length: 70 }, () => out.request({ ...get, url: slow.url }))
  await expect(Promise.race(all)).rejects.toThrow('too many requests are waiting')
  await Promise.allSettled(all)
})

test('what is under way ends when the server does', async () => {
  await using slow = await host(() => {})
  const out = egress()
  const request = out.request({ ...get, url: slow.url })
  await Promise.all([expect(request).rejects.toThrow(EgressFailedError), out[Symbol.asyncDispose]()])
})
