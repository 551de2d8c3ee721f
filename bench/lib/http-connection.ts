import { connect, type Socket } from 'node:net'

const HEAD_END = Buffer.from('\r\n\r\n')
/** What is read is looked at before the next read, so all connections can share one place to read into. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)

/** Bytes of a request, made once and sent many times. */
export function requestBytes(
  url: string,
  method: string,
  path: string,
  { token, body }: { token?: string; body?: string } = {},
): Buffer {
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(body === undefined
      ? []
      : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body ?? ''}`)
}

/**
 * A keep-alive HTTP/1.1 connection, one request at a time, that looks at no more of an answer than it must: what
 * the client spends, the server on the same cores does not have.
 */
export class HttpConnection implements Disposable {
  readonly #socket: Socket
  #part: Buffer | undefined
  #status = 0
  #bodyLeft = 0
  #answered: ((status: number) => void) | undefined
  #failed: ((error: Error) => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async open(url: string): Promise<HttpConnection> {
    const { hostname, port } = new URL(url)
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: hostname,
        port: Number(port),
        noDelay: true,
        onread: {
          buffer: readBuffer,
          callback: (size, buffer) => {
            connection.#read((buffer as Buffer).subarray(0, size))
            return true
          },
        },
      })
      const connection = new HttpConnection(socket)
      socket.once('connect', () => resolve(connection))
      socket.once('error', reject)
      socket.on('close', () => connection.#failed?.(new Error('the server closed the connection')))
    })
  }

  /** Sends a request; exactly one of the two is called. */
  send(request: Buffer, answered: (status: number) => void, failed: (error: Error) => void): void {
    if (this.#socket.destroyed) return failed(new Error('the connection is closed'))
    this.#answered = answered
    this.#failed = failed
    this.#socket.write(request)
  }

  /** Sends a request. @returns the status of the answer, once all of it has come */
  request(request: Buffer): Promise<number> {
    return new Promise((resolve, reject) => this.send(request, resolve, reject))
  }

  #read(chunk: Buffer): void {
    if (this.#bodyLeft > 0) {
      this.#bodyLeft -= chunk.length
      if (this.#bodyLeft === 0) this.#finish()
      return
    }
    const known = this.#part ? Buffer.concat([this.#part, chunk]) : chunk
    const end = known.indexOf(HEAD_END)
    if (end === -1) {
      this.#part = Buffer.from(known)
      return
    }
    this.#part = undefined
    const head = known.toString('latin1', 0, end)
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      const fail = this.#failed
      this.#failed = undefined
      fail?.(new Error(`an answer without a length: ${head}`))
      return
    }
    this.#status = Number(head.slice(9, 12))
    this.#bodyLeft = Number(length) - (known.length - end - HEAD_END.length)
    if (this.#bodyLeft === 0) this.#finish()
  }

  #finish(): void {
    const answered = this.#answered
    this.#answered = undefined
    this.#failed = undefined
    answered?.(this.#status)
  }

  [Symbol.dispose](): void {
    this.#failed = undefined
    this.#socket.destroy()
  }
}
