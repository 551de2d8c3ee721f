import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { checkPreconditions, httpDate, rangeApplies, type Validators } from './conditional.ts'
import { HttpError } from './errors.ts'
import { parseRanges, type ByteRange } from './range.ts'

/** Something that is sent as it is: the content of a file. */
export interface Content extends Validators {
  /** In bytes. */
  readonly size: number
  readonly type: string
  /** Further headers, in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Reads a part of it, in pieces that are good until the next one is asked for. */
  readonly read: (start: number, length: number) => AsyncIterable<Uint8Array>
  /** Told when reading failed after the first byte was sent. */
  readonly onBroken: (error: unknown) => void
}

/** A reader that takes nothing for so long is gone. */
const STALLED_MS = 60_000

/** An answer whose body is made from parts of a content. */
interface Plan {
  readonly status: number
  readonly headers: Record<string, string>
  /** In their order: text to send as it is, or a range to read. */
  readonly body: readonly (Buffer | ByteRange)[]
}

/**
 * Answers a GET or HEAD with content: whole, in one part or in several, or not at all if the client has it
 * (RFC 9110, sections 13 and 14). Nothing is held in memory but the piece that is being sent.
 *
 * @throws HttpError 412, 416; and what `read` throws before the first byte has been sent
 */
export async function sendContent(
  request: FastifyRequest,
  reply: FastifyReply,
  content: Content,
): Promise<void> {
  const { status, headers, body } = plan(request, reply, content)
  const isHead = request.method === 'HEAD'
  const pieces = isHead ? undefined : piecesOf(body, content)
  // What cannot be read at all is still an error of its own; later there is nothing left but to break off.
  const first = await pieces?.next()
  reply.hijack()
  const { raw } = reply
  raw.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers })
  if (!pieces || first!.done) return void raw.end()
  if (first!.value.length === Number(headers['content-length'])) {
    // The piece is good until reading is ended, so that comes after it was sent.
    await new Promise<void>((resolve) => {
      raw.once('close', resolve)
      raw.end(first!.value, resolve)
    })
    await pieces.return(undefined)
    return
  }
  await send(raw, first!.value, pieces).catch(content.onBroken)
}

async function send(
  raw: ServerResponse,
  first: Uint8Array,
  pieces: AsyncGenerator<Uint8Array>,
): Promise<void> {
  try {
    for (let piece: IteratorResult<Uint8Array> = { value: first, done: false }; !piece.done;) {
      if (!(await written(raw, piece.value))) return
      piece = await pieces.next()
    }
    raw.end()
  } catch (error) {
    // The length was promised: a connection that ends early is the only way to say that it was not kept.
    raw.destroy(error as Error)
    throw error
  } finally {
    await pieces.return(undefined)
  }
}

/** Hands a piece to the reader. @returns false when the reader is gone, or took nothing for too long */
function written(raw: ServerResponse, piece: Uint8Array): Promise<boolean> {
  if (raw.destroyed) return Promise.resolve(false)
  return new Promise((resolve) => {
    const finish = (isTaken: boolean): void => {
      clearTimeout(timer)
      raw.off('close', gone)
      resolve(isTaken)
    }
    const gone = (): void => {
      raw.destroy()
      finish(false)
    }
    const timer = setTimeout(gone, STALLED_MS)
    raw.once('close', gone)
    raw.write(piece, (error) => finish(!error))
  })
}

async function* piecesOf(body: Plan['body'], content: Content): AsyncGenerator<Uint8Array> {
  for (const part of body) {
    if (Buffer.isBuffer(part)) yield part
    else yield* content.read(part.first, part.last - part.first + 1)
  }
}

function plan({ headers }: FastifyRequest, reply: FastifyReply, content: Content): Plan {
  const common = {
    ...content.headers,
    etag: content.etag,
    'last-modified': httpDate(content.modifiedAt),
    'accept-ranges': 'bytes',
  }
  const precondition = checkPreconditions(headers, content)
  if (precondition === 'unchanged') return { status: 304, headers: common, body: [] }
  if (precondition === 'failed') throw new HttpError(412, 'The file is not the one that was expected')

  const ranges = rangeApplies(headers, content) ? parseRanges(headers.range, content.size) : undefined
  if (ranges === 'none') {
    reply.header('content-range', `bytes */${content.size}`)
    throw new HttpError(416, `The range is outside of the file, which has ${content.size} bytes`)
  }
  if (ranges?.length === 1) {
    const range = ranges[0]!
    const part = {
      'content-type': content.type,
      'content-range': contentRange(range, content.size),
      'content-length': String(lengthOf(range)),
    }
    return { status: 206, headers: { ...common, ...part }, body: [range] }
  }
  if (ranges) return manyParts(ranges, content, common)
  const whole = { 'content-type': content.type, 'content-length': String(content.size) }
  const body = content.size === 0 ? [] : [{ first: 0, last: content.size - 1 }]
  return { status: 200, headers: { ...common, ...whole }, body }
}

/** Several parts in one body: `multipart/byteranges` (section 14.6). */
function manyParts(ranges: readonly ByteRange[], content: Content, common: Record<string, string>): Plan {
  const boundary = randomBytes(16).toString('hex')
  const body = ranges.flatMap((range) => [
    Buffer.from(
      `\r\n--${boundary}\r\nContent-Type: ${content.type}\r\n` +
        `Content-Range: ${contentRange(range, content.size)}\r\n\r\n`,
    ),
    range,
  ])
  body.push(Buffer.from(`\r\n--${boundary}--\r\n`))
  const length = body.reduce((sum, part) => sum + (Buffer.isBuffer(part) ? part.length : lengthOf(part)), 0)
  return {
    status: 206,
    headers: {
      ...common,
      'content-type': `multipart/byteranges; boundary=${boundary}`,
      'content-length': String(length),
    },
    body,
  }
}

function contentRange({ first, last }: ByteRange, size: number): string {
  return `bytes ${first}-${last}/${size}`
}

function lengthOf({ first, last }: ByteRange): number {
  return last - first + 1
}
