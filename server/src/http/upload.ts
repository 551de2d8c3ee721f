import type { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import { giveBack } from '#lib/give-back.ts'
import { badRequest, HttpError, unauthorized } from './errors.ts'

/** A file of a form, as it arrives. */
export interface IncomingFile {
  /** Name of the form's field. */
  readonly field: string
  /** As the client calls it: not to be believed. */
  readonly filename: string
  /** To be read once, to its end. A piece is good until the next one is asked for; its memory may be given back then. */
  readonly content: AsyncIterable<Uint8Array>
}

/** What an endpoint does with files. */
export interface FileTaking<T extends AsyncDisposable> {
  /** Names of form fields that may hold files. */
  readonly fields: readonly string[]
  /** How many files a request may have. */
  readonly limit: number
  /**
   * Whether query, header and the fields so far say who sends this.
   *
   * @throws HttpError when they say it wrongly, or the person may not
   */
  readonly isKnown: (fields: Fields) => Promise<boolean>
  /**
   * Takes a file in while it arrives. Nothing is known yet of the fields that come after it.
   *
   * @param fields that came before
   */
  readonly take: (file: IncomingFile, fields: Fields) => Promise<T>
}

type Fields = Readonly<Record<string, unknown>>

interface Form<T> {
  readonly fields: Record<string, unknown>
  readonly files: readonly T[]
}

const PARTS = { fields: 50, parts: 100, fieldNameSize: 100, headerPairs: 50 }
/** What is kept of files that come before the token, for one request and for all. */
const HELD_BYTES = 8 * 1024 * 1024
const HELD_BYTES_IN_ALL = 32 * 1024 * 1024
/** A client that sends less than this in a while is cut off: it holds a place that others need. */
const PACE_MS = 30_000
const PACE_BYTES = 16 * 1024
/** How much, and for how long, is still read of a form that was refused: clients look for an answer at its end. */
const LINGER_BYTES = 64 * 1024 * 1024
const LINGER_MS = 10_000

/** Reads forms. Files go on to whoever takes them as they arrive; only what comes before the token is held back. */
export class FormReader {
  #heldInAll = 0

  /**
   * @param fieldBytes how much all fields together may hold
   * @param taking undefined: a file is an error
   * @throws HttpError 400, 401 too much came before the token, 413, and what `taking` throws
   */
  async read<T extends AsyncDisposable>(
    request: FastifyRequest,
    fieldBytes: number,
    taking?: FileTaking<T>,
  ): Promise<Form<T>> {
    using pass = new Pass(fieldBytes, taking, (bytes) => (this.#heldInAll += bytes))
    using _pace = keepPace(request)
    try {
      await pass.readAll(request)
      return pass
    } catch (error) {
      discardRest(request)
      await pass.disown()
      throw error
    }
  }
}

/** A file that arrived before it was known whose it is. */
interface HeldFile {
  readonly file: Omit<IncomingFile, 'content'>
  readonly pieces: readonly Uint8Array[]
}

/** One form on its way. */
class Pass<T extends AsyncDisposable> implements Form<T>, Disposable {
  readonly fields: Record<string, unknown> = Object.create(null)
  readonly files: T[] = []
  readonly #taking: FileTaking<T> | undefined
  readonly #account: (bytes: number) => number
  readonly #held: HeldFile[] = []
  /** Memory that came with the request and belongs to nobody else. */
  readonly #own = new Set<ArrayBufferLike>()
  #fieldBytesLeft: number
  #heldBytes = 0

  /** @param account adds to what all forms together hold back, and says how much that is */
  constructor(fieldBytes: number, taking: FileTaking<T> | undefined, account: (bytes: number) => number) {
    this.#fieldBytesLeft = fieldBytes
    this.#taking = taking
    this.#account = account
  }

  async readAll(request: FastifyRequest): Promise<void> {
    request.raw.on('data', ({ buffer, length }: Buffer) => {
      if (buffer.byteLength === length) this.#own.add(buffer)
    })
    const limits = { ...PARTS, fieldSize: this.#fieldBytesLeft, fileSize: Infinity }
    for await (const part of guarded(request.parts({ limits }))) {
      if (part.type === 'field') this.#addField(part)
      else await this.#addFile({ field: part.fieldname, filename: part.filename ?? '' }, part.file)
    }
    if (this.#held.length === 0) {
      for (const memory of this.#own) giveBack(memory)
      return
    }
    if (!(await this.#taking!.isKnown(this.fields))) throw unauthorized()
    for (const { file, pieces } of this.#held.splice(0)) await this.#take({ ...file, content: each(pieces) })
  }

  /** Gives up what was taken. */
  async disown(): Promise<void> {
    for (const file of this.files.splice(0)) await file[Symbol.asyncDispose]()
  }

  /** Fields that come more than once become lists, which no schema of ours takes. */
  #addField(part: FieldPart): void {
    const { fieldname, value } = part
    this.#fieldBytesLeft -= Buffer.byteLength(typeof value === 'string' ? value : JSON.stringify(value))
    if (part.fieldnameTruncated || part.valueTruncated || this.#fieldBytesLeft < 0) {
      throw new HttpError(413, 'The form is too large')
    }
    const known = this.fields[fieldname]
    this.fields[fieldname] = known === undefined ? value : [known, value].flat()
  }

  async #addFile(file: Omit<IncomingFile, 'content'>, stream: Readable): Promise<void> {
    // Browsers send an empty part for an input that nobody filled in.
    if (file.filename === '' && (await isEmpty(stream))) return
    this.#expect(file.field)
    const content = guarded(stream as AsyncIterable<Buffer>)
    if (this.#held.length === 0 && (await this.#taking!.isKnown(this.fields)))
      await this.#take({ ...file, content: this.#givingBack(content) })
    else this.#held.push({ file, pieces: await this.#hold(content) })
  }

  #expect(field: string): void {
    if (!this.#taking) throw badRequest('This endpoint does not take files')
    const { fields, limit } = this.#taking
    if (!fields.includes(field)) throw badRequest(`Files must be in the field '${fields.join("' or '")}'`)
    if (this.files.length + this.#held.length < limit) return
    throw badRequest(limit === 1 ? 'Only one file can be sent' : `At most ${limit} files can be sent`)
  }

  async #take(file: IncomingFile): Promise<void> {
    this.files.push(await this.#taking!.take(file, this.fields))
  }

  /**
   * Gives memory back as it was read. What is cut from the same memory comes one after the other, so it has been read
   * when a piece of another memory comes. The last one may hold the beginning of what follows the file.
   */
  async *#givingBack(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let before: ArrayBufferLike | undefined
    for await (const piece of content) {
      if (before !== undefined && before !== piece.buffer && this.#own.delete(before)) giveBack(before)
      yield piece
      before = piece.buffer
    }
  }

  async #hold(content: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
    const pieces: Uint8Array[] = []
    for await (const piece of content) {
      this.#heldBytes += piece.length
      const heldInAll = this.#account(piece.length)
      if (this.#heldBytes > HELD_BYTES || heldInAll > HELD_BYTES_IN_ALL) {
        throw unauthorized('The token must come before the files, or in a header')
      }
      pieces.push(piece)
    }
    return pieces
  }

  [Symbol.dispose](): void {
    this.#account(-this.#heldBytes)
  }
}

interface FieldPart {
  readonly fieldname: string
  readonly value: unknown
  readonly fieldnameTruncated: boolean
  readonly valueTruncated: boolean
}

async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}

/** What goes wrong in reading the form itself is the client's error; what goes wrong with its files may be ours. */
async function* guarded<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    for await (const item of source) yield item
  } catch (error) {
    const tooMuch = (error as { statusCode?: unknown }).statusCode === 413
    throw tooMuch
      ? new HttpError(413, 'The form has too many or too large parts', { cause: error })
      : new HttpError(400, 'The form cannot be read', { cause: error })
  }
}

/** Looks whether a file has content; what was read of it is put back. */
async function isEmpty(stream: Readable): Promise<boolean> {
  for await (const piece of guarded(stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)) {
    if (piece.length === 0) continue
    stream.unshift(piece)
    return false
  }
  return true
}

/** Ends the connection of a client that sends too slowly. */
function keepPace({ raw }: FastifyRequest): Disposable {
  let before = raw.socket.bytesRead
  const timer = setInterval(() => {
    const { bytesRead } = raw.socket
    // While we do not read, the client cannot send.
    if (bytesRead - before < PACE_BYTES && !raw.complete && !raw.isPaused()) raw.destroy()
    before = bytesRead
  }, PACE_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** Reads on without looking, so that the client gets to see the answer; not for ever. */
function discardRest({ raw }: FastifyRequest): void {
  raw.unpipe()
  raw.resume()
  if (raw.complete || raw.destroyed) return
  let left = LINGER_BYTES
  raw.on('data', (piece: Buffer) => {
    left -= piece.length
    if (left < 0) raw.destroy()
  })
  const timer = setTimeout(() => raw.destroy(), LINGER_MS)
  raw.once('close', () => clearTimeout(timer))
}
