import { connect } from 'node:net'
import type { TestServer } from './server.ts'

export interface RawAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * Writes bytes to a connection as they are, for requests that no HTTP client would send, and reads until the
 * server closes it. Requests that leave the connection open must say `Connection: close`.
 */
export function sendRaw(
  server: Pick<TestServer, 'url'>,
  text: string | Uint8Array,
  options: { thenEnd?: boolean } = {},
): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(server.url)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port) })
    const chunks: Buffer[] = []
    socket.setTimeout(30_000, () => socket.destroy(new Error('the server did not close the connection')))
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // The server may close while we still write; what it answered before counts.
      if (error.code !== 'EPIPE' && error.code !== 'ECONNRESET') reject(error)
    })
    socket.on('close', () => resolve(parseAnswers(Buffer.concat(chunks).toString('latin1'))))
    socket.write(text)
    if (options.thenEnd) socket.end()
  })
}

function parseAnswers(text: string): RawAnswer[] {
  const answers: RawAnswer[] = []
  for (let rest = text; rest !== '';) {
    const [head = '', ...others] = rest.split('\r\n\r\n')
    const [statusLine = '', ...lines] = head.split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':', 1)[0]!.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    const length = Number(headers['content-length'] ?? 0)
    const after = others.join('\r\n\r\n')
    answers.push({ status: Number(statusLine.split(' ')[1]), headers, body: after.slice(0, length) })
    rest = after.slice(length)
  }
  return answers
}
