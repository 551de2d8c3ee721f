// A crowd of WebSocket clients that cost as little as they can, so that the server has the machine: the handshake is
// written by hand, and of each frame only length and kind are looked at. Run by swarm.ts in a process of its own.
import { connect, type Socket } from 'node:net'
import { sharedNow, TIME_MARK, type SwarmCommand, type SwarmReport } from './swarm-protocol.ts'

const HANDSHAKES_AT_ONCE = 100
const REPORT_MS = 10
const HEAD_END = Buffer.from('\r\n\r\n')
const MESSAGE_START = Buffer.from('{"type":"message",')
const TEXT_WITH_TIME = Buffer.from(`"message":"${TIME_MARK}`)
/** What is read is looked at before the next read, so all sockets can share one place to read into. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)

const counts = { open: 0, closed: 0, messages: 0, others: 0 }
let sample: string | undefined
let changed = true
let latencies: number[] = []

function tell(report: SwarmReport): void {
  process.send!(report)
}

/** Reads the frames of one socket as far as they can be read. Keeps what is incomplete. */
class Client {
  readonly #opened: () => void
  #socket: Socket | undefined
  #part: Buffer | undefined
  #isOpen = false

  constructor(url: URL, token: string, opened: () => void) {
    this.#opened = opened
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      onread: {
        buffer: readBuffer,
        callback: (size, buffer) => {
          this.#read((buffer as Buffer).subarray(0, size))
          return true
        },
      },
    })
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('close', () => {
      changed = true
      if (this.#isOpen) counts.closed++
      else tell({ type: 'failed', reason: 'a handshake was not completed' })
    })
    socket.write(
      [
        'GET /ws HTTP/1.1',
        `Host: ${url.host}`,
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        `Sec-WebSocket-Key: ${Buffer.alloc(16).toString('base64')}`,
        `Authorization: Bearer ${token}`,
        '\r\n',
      ].join('\r\n'),
    )
  }

  #read(chunk: Buffer): void {
    const received = sharedNow()
    const data = this.#part ? Buffer.concat([this.#part, chunk]) : chunk
    let at = this.#isOpen ? 0 : this.#readHandshake(data)
    changed = true
    for (let end = frameEnd(data, at); end !== -1; end = frameEnd(data, at)) {
      this.#take(data, at, end, received)
      at = end
    }
    this.#part = at === data.length ? undefined : Buffer.from(data.subarray(at))
  }

  /** @returns where the frames begin */
  #readHandshake(data: Buffer): number {
    const end = data.indexOf(HEAD_END)
    if (end === -1) return 0
    if (!data.toString('latin1', 0, 13).startsWith('HTTP/1.1 101 ')) {
      tell({ type: 'failed', reason: `a handshake was refused: ${data.toString('latin1', 0, end)}` })
      return 0
    }
    this.#isOpen = true
    counts.open++
    this.#opened()
    return end + HEAD_END.length
  }

  #take(data: Buffer, start: number, end: number, received: number): void {
    const kind = data[start]! & 0x0f
    const payload = start + headerLength(data, start)
    if (kind === 0x9) {
      // A pong with the same payload, masked with zeros.
      const pong = Buffer.concat([
        Buffer.from([0x8a, 0x80 | (end - payload), 0, 0, 0, 0]),
        data.subarray(payload, end),
      ])
      this.#socket?.write(pong)
    }
    if (
      kind !== 0x1 ||
      data.compare(MESSAGE_START, 0, MESSAGE_START.length, payload, payload + MESSAGE_START.length) !== 0
    ) {
      counts.others++
      return
    }
    counts.messages++
    sample ??= data.toString('utf8', payload, end)
    const text = data.indexOf(TEXT_WITH_TIME, payload)
    if (text === -1 || text > end) return
    const time = data.toString('latin1', text + TEXT_WITH_TIME.length, text + TEXT_WITH_TIME.length + 24)
    latencies.push(received - Number(time.slice(0, time.indexOf(TIME_MARK))))
  }
}

function headerLength(data: Buffer, start: number): number {
  const length = data[start + 1]! & 0x7f
  return length < 126 ? 2 : length === 126 ? 4 : 10
}

/** Where the frame at `start` ends, or -1 if not all of it is there. Servers do not mask. */
function frameEnd(data: Buffer, start: number): number {
  if (data.length - start < 2) return -1
  const header = headerLength(data, start)
  if (data.length - start < header) return -1
  const short = data[start + 1]! & 0x7f
  const length =
    header === 2
      ? short
      : header === 4
        ? data.readUInt16BE(start + 2)
        : Number(data.readBigUInt64BE(start + 2))
  const end = start + header + length
  return end <= data.length ? end : -1
}

function open({ url, tokens, count }: Extract<SwarmCommand, { type: 'open' }>): void {
  const target = new URL(url)
  let begun = 0
  const next = (): void => {
    if (begun === count) return
    const token = tokens[begun % tokens.length]!
    begun++
    void new Client(target, token, next)
  }
  for (let slot = 0; slot < HANDSHAKES_AT_ONCE; slot++) next()
}

process.on('message', (command: SwarmCommand) => {
  switch (command.type) {
    case 'open':
      return open(command)
    case 'forget-latencies':
      latencies = []
      return
    case 'report-latencies':
      return tell({ type: 'latencies', latencies })
  }
})
process.on('disconnect', () => process.exit())

setInterval(() => {
  if (!changed) return
  changed = false
  tell({ type: 'progress', ...counts, sample })
}, REPORT_MS)
