import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

const WAIT_MS = 30_000

export interface RawFrame {
  readonly opcode: number
  readonly payload: Buffer
}

export const Opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** A WebSocket by hand: sends what no client library would, answers nothing by itself, and stops reading at will. */
export class RawSocket implements Disposable {
  readonly socket: Socket
  readonly frames: RawFrame[] = []
  #buffer: Buffer
  #ended = false
  readonly #wake = new Set<() => void>()

  private constructor(socket: Socket, rest: Buffer) {
    this.socket = socket
    this.#buffer = rest
    this.#parse()
    socket.on('data', (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk])
      this.#parse()
      this.#notify()
    })
    socket.on('close', () => {
      this.#ended = true
      this.#notify()
    })
  }

  static open(server: { readonly url: string }, path: string): Promise<RawSocket> {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    socket.on('error', () => {})
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    return new Promise((resolve, reject) => {
      let received = Buffer.alloc(0)
      const fail = (): void => reject(new Error(`refused: ${received.toString('latin1')}`))
      const read = (chunk: Buffer): void => {
        received = Buffer.concat([received, chunk])
        const end = received.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!received.subarray(0, end).toString('latin1').startsWith('HTTP/1.1 101')) return
        socket.off('data', read).off('close', fail)
        resolve(new RawSocket(socket, received.subarray(end + 4)))
      }
      socket.on('data', read).on('close', fail)
    })
  }

  write(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) this.socket.write(chunk)
  }

  sendText(text: string): void {
    this.write(frame(Opcode.text, text))
  }

  /** Waits for the server's end of the connection. @returns the close code, or undefined when there was none */
  async ended(): Promise<number | undefined> {
    await this.until(() => this.#ended)
    const close = this.frames.find(({ opcode }) => opcode === Opcode.close)
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined
  }

  /** Texts of the JSON frames so far. */
  get json(): Record<string, unknown>[] {
    return this.frames
      .filter(({ opcode }) => opcode === Opcode.text)
      .map(({ payload }) => JSON.parse(payload.toString('utf8')) as Record<string, unknown>)
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition()) finish()
        else if (this.#ended) finish(new Error('the connection ended before'))
      }
      const timer = setTimeout(() => finish(new Error('it did not happen in time')), WAIT_MS)
      this.#wake.add(check)
      check()
    })
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }

  #parse(): void {
    for (;;) {
      const data = this.#buffer
      if (data.length < 2) return
      const short = data[1]! & 0x7f
      const header = short === 126 ? 4 : short === 127 ? 10 : 2
      if (data.length < header) return
      const length =
        short === 126 ? data.readUInt16BE(2) : short === 127 ? Number(data.readBigUInt64BE(2)) : short
      if (data.length < header + length) return
      this.frames.push({
        opcode: data[0]! & 0x0f,
        payload: Buffer.from(data.subarray(header, header + length)),
      })
      this.#buffer = data.subarray(header + length)
    }
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake()
  }
}

/** Bytes of a frame from a client; masked unless told otherwise. */
export function frame(
  opcode: number,
  content: string | Uint8Array,
  options: { final?: boolean; unmasked?: true; reserved?: number } = {},
): Buffer {
  const payload = Buffer.from(content as Uint8Array)
  const first = (options.final === false ? 0 : 0x80) | (options.reserved ?? 0) | opcode
  const mark = options.unmasked ? 0 : 0x80
  let header: Buffer
  if (payload.length < 126) header = Buffer.from([first, mark | payload.length])
  else if (payload.length < 65_536) {
    header = Buffer.from([first, mark | 126, 0, 0])
    header.writeUInt16BE(payload.length, 2)
  } else {
    header = Buffer.alloc(10)
    header[0] = first
    header[1] = mark | 127
    header.writeBigUInt64BE(BigInt(payload.length), 2)
  }
  if (options.unmasked) return Buffer.concat([header, payload])
  const mask = randomBytes(4)
  return Buffer.concat([header, mask, payload.map((byte, index) => byte ^ mask[index % 4]!)])
}
