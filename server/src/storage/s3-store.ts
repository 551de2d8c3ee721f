import type { Readable } from 'node:stream'
import type * as Sdk from '@aws-sdk/client-s3'
import { giveBack } from '#lib/give-back.ts'
import {
  isObjectName,
  ObjectMissingError,
  StorageUnavailableError,
  type BlobStore,
  type StoredObject,
} from './blob-store.ts'

/** Where a bucket is, and how to get at it. */
export interface S3Options {
  /** Of a compatible service; empty for Amazon's own. */
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly accessKey: string
  readonly secretKey: string
  /** Put before every name, so that a bucket can be shared. */
  readonly prefix: string
}

/** The smallest part that the protocol allows: larger ones cost memory for each upload. */
const PART_BYTES = 5 * 1024 * 1024
/** Most files are smaller. */
const SMALL_BYTES = 256 * 1024
const CONNECT_MS = 5_000
const SILENCE_MS = 30_000

/**
 * Objects in a bucket of a service that speaks the S3 protocol. An object appears when its upload is complete. Parts of
 * an upload that broke off are given up where possible; a rule of the bucket should remove what remains.
 */
export class S3Store implements BlobStore {
  readonly kind = 's3'
  readonly #options: S3Options
  readonly #sdk: typeof Sdk
  readonly #client: Sdk.S3Client

  private constructor(options: S3Options, sdk: typeof Sdk) {
    this.#options = options
    this.#sdk = sdk
    this.#client = new sdk.S3Client({
      region: options.region,
      ...(options.endpoint !== '' && { endpoint: options.endpoint, forcePathStyle: true }),
      credentials: { accessKeyId: options.accessKey, secretAccessKey: options.secretKey },
      maxAttempts: 3,
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        requestTimeout: SILENCE_MS,
        throwOnRequestTimeout: true,
      },
      // Many compatible services refuse the checksums that the client would add by itself.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  }

  /** The client takes 30 MB of memory, so it is loaded only where it is used. */
  static async open(options: S3Options): Promise<S3Store> {
    return new S3Store(options, await import('@aws-sdk/client-s3'))
  }

  async write(name: string, content: AsyncIterable<Uint8Array>, mayAppear?: Promise<unknown>): Promise<void> {
    const place = this.#place(name)
    const parts = inParts(content, PART_BYTES)
    const first = await parts.next()
    // What fits into one part needs no more than one request.
    if (first.done || first.value.length < PART_BYTES) {
      const Body = first.value ?? new Uint8Array()
      await mayAppear
      await served(this.#client.send(new this.#sdk.PutObjectCommand({ ...place, Body })))
      await parts.return(undefined)
      return
    }
    const { UploadId } = await served(this.#client.send(new this.#sdk.CreateMultipartUploadCommand(place)))
    const upload = { ...place, UploadId: UploadId! }
    try {
      const Parts = await this.#sendParts(upload, first.value, parts)
      await mayAppear
      const complete = { ...upload, MultipartUpload: { Parts } }
      await served(this.#client.send(new this.#sdk.CompleteMultipartUploadCommand(complete)))
    } catch (error) {
      await this.#client.send(new this.#sdk.AbortMultipartUploadCommand(upload)).catch(() => {})
      throw error
    }
  }

  /** Sends a part while the next one fills. */
  async #sendParts(
    upload: { Bucket: string; Key: string; UploadId: string },
    first: Uint8Array,
    rest: AsyncIterable<Uint8Array>,
  ): Promise<Sdk.CompletedPart[]> {
    const done: Sdk.CompletedPart[] = []
    const send = async (Body: Uint8Array): Promise<void> => {
      const PartNumber = done.length + 1
      const part = { ...upload, PartNumber, Body }
      const { ETag } = await served(this.#client.send(new this.#sdk.UploadPartCommand(part)))
      done.push({ PartNumber, ETag })
    }
    let sending = send(first)
    // Looked at when the next part is there; until then it must not count as nobody's.
    sending.catch(() => {})
    for await (const part of rest) {
      await sending
      sending = send(part)
      sending.catch(() => {})
    }
    await sending
    return done
  }

  async *read(name: string, start: number, length: number): AsyncGenerator<Uint8Array> {
    if (length === 0) return
    const body = await this.#get(name, `bytes=${start}-${start + length - 1}`)
    if (!body) return
    try {
      for await (const piece of body as AsyncIterable<Buffer>) {
        yield piece
        // As it came from the socket, it has memory of its own.
        if (piece.length === piece.buffer.byteLength) giveBack(piece.buffer)
      }
    } catch (error) {
      throw unavailable(error)
    } finally {
      body.destroy()
    }
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    try {
      const { ContentLength, LastModified } = await this.#client.send(
        new this.#sdk.HeadObjectCommand(this.#place(name)),
      )
      return { name, size: ContentLength ?? 0, modifiedAt: LastModified?.getTime() ?? 0 }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw unavailable(error)
    }
  }

  async delete(name: string): Promise<void> {
    try {
      await this.#client.send(new this.#sdk.DeleteObjectCommand(this.#place(name)))
    } catch (error) {
      if (!isMissing(error)) throw unavailable(error)
    }
  }

  /** Parts of uploads that broke off are for a rule of the bucket, which needs no right to list them. */
  async discardUnfinished(): Promise<number> {
    return 0
  }

  async *list(): AsyncGenerator<StoredObject> {
    const { bucket, prefix } = this.#options
    let token: string | undefined
    do {
      const page = await this.#client
        .send(
          new this.#sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
        )
        .catch((error: unknown) => {
          throw unavailable(error)
        })
      for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
        const name = Key.slice(prefix.length)
        if (isObjectName(name)) yield { name, size: Size, modifiedAt: LastModified?.getTime() ?? 0 }
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined
    } while (token !== undefined)
  }

  async ping(): Promise<void> {
    try {
      await this.#client.send(new this.#sdk.HeadBucketCommand({ Bucket: this.#options.bucket }), {
        abortSignal: AbortSignal.timeout(CONNECT_MS),
      })
    } catch (error) {
      throw unavailable(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy()
  }

  /** @returns undefined if the object ends before the range begins */
  async #get(name: string, range: string): Promise<Readable | undefined> {
    const command = new this.#sdk.GetObjectCommand({ ...this.#place(name), Range: range })
    try {
      return (await this.#client.send(command)).Body as Readable
    } catch (error) {
      if (isMissing(error)) throw new ObjectMissingError(name, { cause: error })
      if ((error as { name?: string }).name === 'InvalidRange') return undefined
      throw unavailable(error)
    }
  }

  #place(name: string): { Bucket: string; Key: string } {
    if (!isObjectName(name)) throw new ObjectMissingError('of an impossible name')
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + name }
  }
}

/**
 * Joins pieces into parts of a size; the last one is shorter. A part is good until the second one after it is asked for,
 * so that one can be sent while the next one fills.
 */
async function* inParts(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let part: Buffer = Buffer.allocUnsafeSlow(SMALL_BYTES)
  let other: Buffer | undefined
  let filled = 0
  for await (let piece of content) {
    while (piece.length > 0) {
      if (filled === size) {
        yield part
        ;[part, other] = [other ?? Buffer.allocUnsafeSlow(size), part]
        filled = 0
      }
      if (filled === part.length) part = grown(part, Math.min(size, filled * 4))
      const taken = piece.subarray(0, part.length - filled)
      part.set(taken, filled)
      filled += taken.length
      piece = piece.subarray(taken.length)
    }
  }
  if (filled > 0) yield part.subarray(0, filled)
}

function grown(part: Buffer, size: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(size)
  larger.set(part)
  return larger
}

/** What goes wrong at the service, told from what goes wrong with the content. */
function served<T>(request: Promise<T>): Promise<T> {
  return request.catch((error: unknown) => {
    throw unavailable(error)
  })
}

function isMissing(error: unknown): boolean {
  const { name } = (error ?? {}) as { name?: string }
  return name === 'NoSuchKey' || name === 'NotFound'
}

/** The service's own words may quote the request, so only the kind of its error is told. */
function unavailable(cause: unknown): StorageUnavailableError {
  const { name = 'unknown error' } = (cause ?? {}) as { name?: string }
  return new StorageUnavailableError(`the object store does not serve (${name})`, { cause })
}
