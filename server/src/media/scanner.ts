import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Config } from '#config/schema.ts'

/** What a scan came to. `unscanned` only where the configuration lets files pass that could not be scanned. */
export type ScanResult =
  | { readonly result: 'clean' }
  | { readonly result: 'infected'; readonly signature: string }
  | { readonly result: 'unscanned' }

/** A file could not be scanned and must not be taken in. */
export class ScannerError extends Error {}

/** Far below `StreamMaxLength` of any clamd; a chunk is one write. */
const CHUNK_BYTES = 64 * 1024
const MAX_REPLY_BYTES = 4096

/** Asks ClamAV's daemon about files, by its `INSTREAM` command (clamd(8)). */
export class Scanner {
  readonly #address: string
  readonly #timeoutMs: number
  readonly #isRequired: boolean
  readonly #onFailure: (error: Error) => void

  /** @param onFailure told when a file could not be scanned, whatever then becomes of it */
  constructor(
    config: Pick<Config['storage'], 'clamav' | 'clamav_required' | 'clamav_timeout_seconds'>,
    onFailure: (error: Error) => void,
  ) {
    this.#address = config.clamav
    this.#timeoutMs = config.clamav_timeout_seconds * 1000
    this.#isRequired = config.clamav_required
    this.#onFailure = onFailure
  }

  /** Whether there is anything to ask. */
  get isConfigured(): boolean {
    return this.#address !== ''
  }

  /**
   * Scans one file, which is read as fast as the daemon takes it.
   *
   * @throws ScannerError when it could not be scanned and `storage.clamav_required` is on
   */
  async scan(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<ScanResult> {
    if (!this.isConfigured) return { result: 'unscanned' }
    try {
      return interpret(await this.#ask(content))
    } catch (error) {
      this.#onFailure(error as Error)
      if (!this.#isRequired) return { result: 'unscanned' }
      throw new ScannerError('The file cannot be scanned for viruses at the moment', { cause: error })
    }
  }

  async #ask(content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
    using socket = closing(open(this.#address))
    socket.setTimeout(this.#timeoutMs, () => socket.destroy(new Error('clamd does not answer')))
    const exchange = { socket, reply: readReply(socket), replied: false }
    const told = (): void => void (exchange.replied = true)
    exchange.reply.then(told, told)
    await send(exchange, Buffer.from('zINSTREAM\0'))
    for await (const part of content) {
      // An answer before the end is a complaint.
      if (exchange.replied) break
      await sendChunks(exchange, part)
    }
    if (!exchange.replied) await send(exchange, Buffer.alloc(4))
    return await exchange.reply
  }
}

interface Exchange {
  readonly socket: Socket
  readonly reply: Promise<string>
  replied: boolean
}

/** Each chunk is its length, in four bytes, and its bytes. */
async function sendChunks(exchange: Exchange, part: Uint8Array): Promise<void> {
  for (let at = 0; at < part.length; at += CHUNK_BYTES) {
    if (exchange.replied) return
    const chunk = part.subarray(at, at + CHUNK_BYTES)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(chunk.length)
    exchange.socket.write(length)
    await send(exchange, chunk)
  }
}

/** Writes, and waits until there is room again or the daemon has said something. */
async function send({ socket, reply }: Exchange, bytes: Uint8Array): Promise<void> {
  if (!socket.write(bytes)) await Promise.race([once(socket, 'drain'), reply])
}

/** `unix:<path>` or `tcp:<host>:<port>`. */
function open(address: string): Socket {
  const [scheme] = address.split(':', 1)
  if (scheme === 'unix') return connect(address.slice('unix:'.length))
  const { hostname, port } = new URL(`tcp://${address.slice('tcp:'.length)}`)
  return connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
}

function closing(socket: Socket): Socket & Disposable {
  return Object.assign(socket, { [Symbol.dispose]: () => void socket.destroy() })
}

/** What the daemon says, up to the zero byte that ends it. */
function readReply(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = ''
    socket.on('data', (bytes: Buffer) => {
      reply += bytes.toString('utf8')
      const end = reply.indexOf('\0')
      if (end >= 0) resolve(reply.slice(0, end))
      else if (reply.length > MAX_REPLY_BYTES) socket.destroy(new Error('clamd says too much'))
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error('clamd hung up')))
  })
}

function interpret(reply: string): ScanResult {
  if (reply === 'stream: OK') return { result: 'clean' }
  const signature = /^stream: (.+) FOUND$/.exec(reply)?.[1]
  if (signature === undefined) throw new Error(`clamd: ${reply}`)
  return { result: 'infected', signature }
}
