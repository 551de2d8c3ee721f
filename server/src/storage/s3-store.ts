import { Readable } from 'node:stream'
import type * as Sdk from '@aws-sdk/client-s3'
import type * as Transfer from '@aws-sdk/lib-storage'
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
const PARTS_AT_ONCE = 2
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
  readonly #transfer: typeof Transfer
  readonly #client: Sdk.S3Client

  private constructor(options: S3Options, sdk: typeof Sdk, transfer: typeof Transfer) {
    this.#options = options
    this.#sdk = sdk
    this.#transfer = transfer
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
    const [sdk, transfer] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')])
    return new S3Store(options, sdk, transfer)
  }

  async write(name: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const body = Readable.from(content, { objectMode: false })
    let broken: { error: unknown } | undefined
    body.once('error', (error) => {
      broken = { error }
    })
    try {
      await new this.#transfer.Upload({
        client: this.#client,
        params: { ...this.#place(name), Body: body },
        partSize: PART_BYTES,
        queueSize: PARTS_AT_ONCE,
      }).done()
    } catch (error) {
      body.destroy()
      throw broken ? broken.error : unavailable(error)
    }
  }

  async *read(name: string, start: number, length: number): AsyncGenerator<Uint8Array> {
    if (length === 0) return
    const body = await this.#get(name, `bytes=${start}-${start + length - 1}`)
    if (!body) return
    try {
      for await (const piece of body) yield piece as Uint8Array
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

function isMissing(error: unknown): boolean {
  const { name } = (error ?? {}) as { name?: string }
  return name === 'NoSuchKey' || name === 'NotFound'
}

/** The service's own words may quote the request, so only the kind of its error is told. */
function unavailable(cause: unknown): StorageUnavailableError {
  const { name = 'unknown error' } = (cause ?? {}) as { name?: string }
  return new StorageUnavailableError(`the object store does not serve (${name})`, { cause })
}
