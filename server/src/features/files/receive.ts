import type { Context } from '#context'
import type { Actor } from '#http/access.ts'
import { badRequest, HttpError, unavailable } from '#http/errors.ts'
import type { IncomingFile } from '#http/upload.ts'
import type { ProcessedImage } from '#media/image.ts'
import { ImageError } from '#media/image-error.ts'
import { ScannerError } from '#media/scanner.ts'
import { sniff, SNIFF_BYTES, type Sniffed } from '#media/sniff.ts'
import { withoutLocations } from '#media/strip/video-stream.ts'
import { quotaExceeded, quotas } from './commit.ts'
import { cleanFileName } from './file-name.ts'
import { judge, tooLarge, type Directory, type Purpose, type Verdict } from './policy.ts'
import { stagedFile, type StagedFile } from './staged-file.ts'
import { usageOf } from './store.ts'
import { tee } from './tee.ts'
import type { StagedBlob } from './vault.ts'

type Deps = Pick<Context, 'db' | 'log' | 'media' | 'scanner' | 'settings' | 'vault'>

/** What is asked of a file that arrives. */
export interface Request {
  readonly purpose: Purpose
  /** Where the owner wants it. */
  readonly directory?: Directory | undefined
  /** How many bytes the file has at most, if its sender said. */
  readonly announcedBytes?: number | undefined
  /** Told as the file comes on. */
  readonly onBytes?: (bytes: number) => void
  readonly onProcessing?: () => void
}

/** The longer side of an avatar or banner, in pixels; larger ones are made smaller. */
const MAX_SIDE: Readonly<Partial<Record<Purpose, number>>> = {
  user_avatar: 1024,
  server_avatar: 1024,
  user_banner: 2048,
  server_banner: 2048,
}

/**
 * Takes a file in while it arrives: tells its type by its first bytes, holds it against the limits, has it scanned and,
 * if it is a picture, made fit to be shown. Only pictures are held in memory; everything else goes on to the store.
 *
 * @throws HttpError 400, 413, 503, 507
 */
export async function receiveFile(
  ctx: Deps,
  actor: Pick<Actor, 'userId'>,
  { filename, content }: IncomingFile,
  request: Request,
): Promise<StagedFile> {
  const name = cleanFileName(filename)
  const watched = watch(content, request.onBytes)
  const { head, rest } = await takeHead(watched, SNIFF_BYTES)
  const sniffed = sniff(head, name)
  const verdict = judge(
    { ...sniffed, type: sniffed.mime },
    request.purpose,
    ctx.settings.current,
    request.directory,
  )
  await demandRoom(ctx, actor.userId, Math.min(request.announcedBytes ?? 0, verdict.limitBytes))
  const limited = limit(rest, verdict.limitBytes)
  return sniffed.kind === 'image'
    ? receivePicture(ctx, limited, { name, sniffed, verdict, request })
    : receiveBytes(ctx, limited, { name, sniffed, verdict })
}

interface Known {
  readonly name: string
  readonly sniffed: Sniffed
  readonly verdict: Verdict
}

async function receiveBytes(
  ctx: Deps,
  content: AsyncIterable<Uint8Array>,
  { name, sniffed, verdict }: Known,
): Promise<StagedFile> {
  try {
    const main = await stageScanned(ctx, withoutLocations(content, sniffed.mime))
    return stagedFile(ctx.vault, { ...factsOf(name, sniffed, verdict), main, thumbnails: [] })
  } catch (error) {
    throw error instanceof ImageError ? refusal(error) : error
  }
}

async function receivePicture(
  ctx: Deps,
  content: AsyncIterable<Uint8Array>,
  { request, ...known }: Known & { readonly request: Request },
): Promise<StagedFile> {
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(Buffer.from(piece))
  const bytes = Buffer.concat(pieces)
  request.onProcessing?.()
  if (ctx.scanner.isConfigured) await expectClean(ctx.scanner.scan([bytes]))
  const maxSide = MAX_SIDE[request.purpose]
  let picture: ProcessedImage
  try {
    picture = await ctx.media.processImage(bytes, maxSide === undefined ? {} : { maxSide })
  } catch (error) {
    if (!(error instanceof ImageError)) throw error
    if (error.reason !== 'unsupported' || known.verdict.mustBeImage) throw refusal(error)
    // It cannot be shown, but it can be kept: without what it tells about who took it where, if that can be found.
    const kept = { ...known, verdict: { ...known.verdict, kind: 'file' as const } }
    const main = await ctx.vault.stage(each([error.stripped ?? bytes]))
    return stagedFile(ctx.vault, { ...factsOf(kept.name, kept.sniffed, kept.verdict), main, thumbnails: [] })
  }
  return stagePicture(ctx, picture, known)
}

async function stagePicture(
  ctx: Deps,
  picture: ProcessedImage,
  { name, verdict }: Known,
): Promise<StagedFile> {
  const { mime, extension } = sniff(picture.bytes)
  const contents = [picture.bytes, ...picture.thumbnails.map(({ bytes }) => bytes)]
  const staged = await Promise.allSettled(contents.map((bytes) => ctx.vault.stage(each([bytes]))))
  const blobs = staged.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  const failed = staged.find((one) => one.status === 'rejected')
  if (failed) {
    await ctx.vault.abandon(blobs.map(({ object }) => object))
    throw failed.reason as Error
  }
  const { width, height, animated } = picture
  const facts = { name, kind: verdict.kind, type: mime, extension, width, height, isAnimated: animated }
  const thumbnails = picture.thumbnails.map((one, index) => ({
    width: one.width,
    height: one.height,
    blob: blobs[index + 1]!,
  }))
  return stagedFile(ctx.vault, { ...facts, main: blobs[0]!, thumbnails })
}

function factsOf(name: string, { mime, extension }: Sniffed, { kind }: Verdict) {
  return { name, kind, type: mime, extension, width: null, height: null, isAnimated: false }
}

/** Stores content while it is being scanned; what is not clean does not stay. */
async function stageScanned(ctx: Deps, content: AsyncIterable<Uint8Array>): Promise<StagedBlob> {
  if (!ctx.scanner.isConfigured) return ctx.vault.stage(content)
  const [stored, scanned] = tee(content)
  // Whoever ends early must not keep the other one waiting.
  const [staging, scanning] = await Promise.allSettled([
    ctx.vault.stage(stored).finally(() => void stored.return()),
    expectClean(ctx.scanner.scan(copied(scanned))).finally(() => void scanned.return()),
  ])
  if (staging.status === 'rejected') throw staging.reason as Error
  if (scanning.status === 'fulfilled') return staging.value
  await ctx.vault.abandon([staging.value.object])
  throw scanning.reason as Error
}

async function expectClean(scan: ReturnType<Deps['scanner']['scan']>): Promise<void> {
  try {
    const verdict = await scan
    if (verdict.result === 'infected') throw badRequest(`The file has a virus: ${verdict.signature}`)
  } catch (error) {
    throw error instanceof ScannerError ? unavailable(error.message, 30, error) : error
  }
}

/** Says no before a byte is stored that would be too many. What decides is the transaction at the end. */
async function demandRoom({ db, settings, vault }: Deps, userId: string, bytes: number): Promise<void> {
  const { user, server } = quotas({ settings })
  const usage = await usageOf(db.read, [userId, 'server'])
  const [own, all] = [usage.get(userId) ?? 0, usage.get('server') ?? 0]
  if (own + bytes > user || all + vault.arriving + bytes > server) throw quotaExceeded()
}

function refusal(error: ImageError): HttpError {
  if (error.reason === 'busy') return unavailable(error.message, 5, error)
  return new HttpError(400, error.message, { cause: error })
}

async function* watch(
  content: AsyncIterable<Uint8Array>,
  onBytes: Request['onBytes'],
): AsyncGenerator<Uint8Array> {
  for await (const piece of content) {
    onBytes?.(piece.length)
    yield piece
  }
}

/** Reads the first `count` bytes and gives back all of it. */
async function takeHead(
  content: AsyncGenerator<Uint8Array>,
  count: number,
): Promise<{ head: Buffer; rest: AsyncGenerator<Uint8Array> }> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  while (bytes < count) {
    const next = await content.next()
    if (next.done) break
    pieces.push(Buffer.from(next.value))
    bytes += next.value.length
  }
  const head = Buffer.concat(pieces)
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* pieces
    yield* content
  }
  return { head: head.subarray(0, count), rest: all() }
}

async function* limit(content: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array> {
  let left = maxBytes
  for await (const piece of content) {
    left -= piece.length
    if (left < 0) throw tooLarge(maxBytes)
    yield piece
  }
}

/** For whoever keeps a piece beyond the next one: a socket, until it was sent. */
async function* copied(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of content) yield Buffer.from(piece)
}

async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces
}
