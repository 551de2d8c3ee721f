import { createHash, type Hash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { z } from 'zod'
import { valueFromJson, valueToJson, type Row, type TableShape } from '#db/transfer/shape.ts'
import { BackupError } from './envelope.ts'

/*
 * The content of a backup is a sequence of blocks: kind (1 byte), length (4, big-endian), that many bytes.
 *
 *   M  the manifest, JSON: first                  T  a table begins, JSON with its name and columns
 *   R  rows of that table, JSON, deflated         O  an object of the file store begins, JSON with its name and size
 *   D  bytes of that object                       E  the table or object ends, JSON with its count and SHA-256
 *   Z  the end, JSON with how many of each there were: what has none was cut
 */

const MAX_BLOCK = 64 * 1024 * 1024

const Manifest = z.object({
  version: z.string(),
  created_at: z.string(),
  migrations: z.array(z.string()).min(1),
  master_key: z.string(),
  config: z.string().nullable(),
})

/** What a backup says of itself; whoever can read this can read everything. */
export type Manifest = z.output<typeof Manifest>

const Table = z.object({ name: z.string(), columns: z.array(z.string()).min(1) })
const ObjectHead = z.object({ name: z.string().regex(/^[0-9a-f]{32}$/), size: z.int().min(0) })
const End = z.object({ count: z.int().min(0), sha256: z.string() })
const Totals = z.object({ tables: z.int(), rows: z.int(), objects: z.int(), bytes: z.int() })

/** How much is in a backup: rows of all tables, and bytes of all objects as they are stored. */
export type Totals = z.output<typeof Totals>

/** Makes the blocks of a backup, and counts what went in. */
export class ArchiveWriter {
  readonly totals: Totals = { tables: 0, rows: 0, objects: 0, bytes: 0 }

  manifest(manifest: Manifest): Buffer {
    return block('M', JSON.stringify(manifest))
  }

  async *table(shape: TableShape, batches: AsyncIterable<readonly Row[]>): AsyncGenerator<Buffer> {
    yield block('T', JSON.stringify({ name: shape.name, columns: shape.columns }))
    const hash = createHash('sha256')
    let count = 0
    for await (const rows of batches) {
      const text = Buffer.from(JSON.stringify(rows.map((row) => row.map(valueToJson))))
      hash.update(text)
      count += rows.length
      yield block('R', deflateRawSync(text, { level: 3 }))
    }
    this.totals.tables++
    this.totals.rows += count
    yield block('E', JSON.stringify({ count, sha256: hash.digest('hex') }))
  }

  async *object(name: string, size: number, content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
    yield block('O', JSON.stringify({ name, size }))
    const hash = createHash('sha256')
    let count = 0
    for await (const piece of content) {
      hash.update(piece)
      count += piece.length
      yield block('D', piece)
    }
    this.totals.objects++
    this.totals.bytes += count
    yield block('E', JSON.stringify({ count, sha256: hash.digest('hex') }))
  }

  end(): Buffer {
    return block('Z', JSON.stringify(this.totals))
  }
}

function block(kind: string, content: string | Uint8Array): Buffer {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content
  const head = Buffer.alloc(5)
  head.write(kind, 0, 'latin1')
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** Told what a backup holds, in its order. Each call is waited for. */
export interface ArchiveReader {
  manifest(manifest: Manifest): Promise<void>
  table(table: TableShape): Promise<void>
  rows(table: TableShape, rows: readonly Row[]): Promise<void>
  /** @param content must be read to its end */
  object(name: string, size: number, content: AsyncIterable<Uint8Array>): Promise<void>
}

/**
 * Reads a backup to its end, and checks every count and hash in it.
 *
 * @throws BackupError, and what the reader throws
 */
export async function readArchive(
  content: AsyncIterable<Uint8Array>,
  reader: ArchiveReader,
): Promise<Totals> {
  await using blocks = new Blocks(content)
  const found: Totals = { tables: 0, rows: 0, objects: 0, bytes: 0 }
  await reader.manifest(Manifest.parse((await blocks.expect('M')).json()))
  for (;;) {
    const head = await blocks.expect('T', 'O', 'Z')
    if (head.kind === 'Z') {
      const said = Totals.parse(head.json())
      for (const key of Object.keys(found) as (keyof Totals)[])
        if (said[key] !== found[key])
          throw new BackupError(`the backup should have ${said[key]} ${key}, not ${found[key]}`)
      await blocks.expectEnd()
      return found
    }
    if (head.kind === 'T') {
      found.rows += await readTable(blocks, Table.parse(head.json()), reader)
      found.tables++
    } else {
      found.bytes += await readObject(blocks, ObjectHead.parse(head.json()), reader)
      found.objects++
    }
  }
}

async function readTable(blocks: Blocks, shape: TableShape, reader: ArchiveReader): Promise<number> {
  const hash = createHash('sha256')
  let count = 0
  await reader.table(shape)
  for (;;) {
    const next = await blocks.expect('R', 'E')
    if (next.kind === 'E') {
      checkEnd(next, `the table ${shape.name}`, count, hash)
      return count
    }
    const text = inflateRawSync(next.bytes)
    hash.update(text)
    const rows = (JSON.parse(text.toString('utf8')) as unknown[][]).map((row) => row.map(valueFromJson))
    count += rows.length
    await reader.rows(shape, rows)
  }
}

async function readObject(
  blocks: Blocks,
  { name, size }: z.output<typeof ObjectHead>,
  reader: ArchiveReader,
): Promise<number> {
  const hash = createHash('sha256')
  let count = 0
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = await blocks.expect('D', 'E')
      if (next.kind === 'E') return checkEnd(next, `the object ${name}`, count, hash)
      hash.update(next.bytes)
      count += next.bytes.length
      yield next.bytes
    }
  }
  const content = pieces()
  await reader.object(name, size, content)
  for await (const rest of content) void rest
  return count
}

function checkEnd(end: Block, what: string, count: number, hash: Hash): void {
  const said = End.parse(end.json())
  if (said.count !== count || said.sha256 !== hash.digest('hex'))
    throw new BackupError(`${what} in the backup is not as it was when it was written`)
}

class Block {
  readonly kind: string
  readonly bytes: Buffer

  constructor(kind: string, bytes: Buffer) {
    this.kind = kind
    this.bytes = bytes
  }

  json(): unknown {
    return JSON.parse(this.bytes.toString('utf8'))
  }
}

/** Cuts a stream into its blocks. */
class Blocks implements AsyncDisposable {
  readonly #source: AsyncIterator<Uint8Array>
  #held: Buffer = Buffer.alloc(0)

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#source = content[Symbol.asyncIterator]()
  }

  /** The next block, which must be of one of `kinds`. @throws BackupError */
  async expect(...kinds: string[]): Promise<Block> {
    const head = await this.#take(5)
    const kind = head.toString('latin1', 0, 1)
    const length = head.readUInt32BE(1)
    if (!kinds.includes(kind) || length > MAX_BLOCK) throw new BackupError('the backup is not in order')
    return new Block(kind, await this.#take(length))
  }

  /** @throws BackupError when something follows */
  async expectEnd(): Promise<void> {
    if (this.#held.length > 0 || !(await this.#source.next()).done)
      throw new BackupError('something follows the end of the backup')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.return?.()
  }

  async #take(bytes: number): Promise<Buffer> {
    if (this.#held.length < bytes) {
      const pieces = [this.#held]
      let total = this.#held.length
      while (total < bytes) {
        const { value, done } = await this.#source.next()
        if (done) throw new BackupError('the backup ends too early')
        pieces.push(Buffer.from(value))
        total += value.length
      }
      this.#held = Buffer.concat(pieces)
    }
    const taken = this.#held.subarray(0, bytes)
    this.#held = this.#held.subarray(bytes)
    return taken
  }
}
