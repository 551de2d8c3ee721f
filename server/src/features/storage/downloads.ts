import { z } from 'zod'
import type { Context } from '#context'
import type { BlobTable } from '#db/tables.ts'
import {
  findBlob,
  findStoredFile,
  nameOf,
  servedAs,
  thumbnailsOf,
  type StoredFile,
} from '#features/files/index.ts'
import type { Actor } from '#http/access.ts'
import { sendContent, type Content } from '#http/content.ts'
import { contentDisposition } from '#http/disposition.ts'
import type { Api } from '#http/endpoint.ts'
import { forbidden, HttpError, unavailable } from '#http/errors.ts'
import { ObjectMissingError, StorageUnavailableError } from '#storage/blob-store.ts'
import { accessContent, accessFile, fileNotFound, isPublic, parseFilePath, type Named } from './access.ts'

const tag = 'Files'
const DAY_SECONDS = 24 * 3600

const LinkQuery = z.object({
  exp: z.string().optional().meta({ description: 'Until when a link is good, in seconds since 1970.' }),
  viewer: z.string().optional().meta({ description: 'The session that a link was given to.' }),
  peer: z.string().optional().meta({ description: 'The other server that a link was given to.' }),
  sig: z.string().optional().meta({ description: 'Binds a link to its file, its end and its session.' }),
})

/** The ways to the content of files. */
export function downloadRoutes(api: Api, ctx: Context): void {
  for (const [path, name] of [
    ['/api/v1/cdn/file/*', 'file_path'],
    ['/api/v1/storage/file/*', 'file_path'],
    ['/storage/*', 'file_hash'],
  ] as const) {
    api.download(
      {
        path,
        rest: name,
        tag,
        summary: 'Fetch a file',
        description:
          'By its id with an ending, `…/<width>.webp` after the id for a smaller copy, or by the SHA-256 of its ' +
          'content. What not everybody may see needs a token, or the link that came with the message.',
        bucket: 'default',
        params: z.object({ [name]: z.string().max(300) }),
        query: LinkQuery,
      },
      async ({ params, query, actor, request, reply }) => {
        const named = parseFilePath(String((params as Record<string, unknown>)[name]))
        const file =
          (await fileForPeer(ctx, named, query)) ??
          (await findNamed(ctx, actor ?? (await viewerOf(ctx, named, query)), named))
        const width = named && 'id' in named ? named.width : undefined
        const content = await contentOf(ctx, file, width)
        await sendContent(request, reply, content).catch((error: unknown) => {
          throw asHttpError(error)
        })
      },
    )
  }
}

function findNamed(ctx: Context, viewer: Actor | undefined, named: Named): Promise<StoredFile> {
  if (!named) throw fileNotFound()
  return 'id' in named ? accessFile(ctx, viewer, named.id) : accessContent(ctx, viewer, named.sha256)
}

/** What another server fetches because somebody there was sent it. */
async function fileForPeer(
  ctx: Context,
  named: Named,
  query: Record<string, unknown>,
): Promise<StoredFile | undefined> {
  const { exp, peer, sig } = query
  if (!named || !('id' in named)) return undefined
  if (typeof exp !== 'string' || typeof peer !== 'string' || typeof sig !== 'string') return undefined
  if (!ctx.fileLinks.verifyForPeer(named.id, { exp, peer, sig })) return undefined
  if (!ctx.federation.policy.verdict(peer).allowed) throw fileNotFound()
  return findStoredFile(ctx.db.read, named.id)
}

/** Whoever a link was given to, as of this moment. @throws HttpError 403 when it was good once */
async function viewerOf(
  ctx: Context,
  named: Named,
  query: Record<string, unknown>,
): Promise<Actor | undefined> {
  const { exp, viewer, sig } = query
  if (!named || !('id' in named)) return undefined
  if (typeof exp !== 'string' || typeof viewer !== 'string' || typeof sig !== 'string') return undefined
  const link = ctx.fileLinks.verify(named.id, { exp, viewer, sig })
  if (link === undefined) return undefined
  if (link === 'expired') throw linkEnded()
  try {
    return await ctx.authenticator.check(link.sessionId)
  } catch (error) {
    throw error instanceof HttpError && error.status === 401 ? linkEnded() : error
  }
}

function linkEnded(): HttpError {
  return forbidden('This link has ended: load the message again')
}

async function contentOf(ctx: Context, file: StoredFile, width: number | undefined): Promise<Content> {
  const thumbnail =
    width === undefined
      ? undefined
      : (await thumbnailsOf(ctx.db.read, [file.id])).find((one) => one.width === width)
  if (width !== undefined && !thumbnail) throw fileNotFound()
  const blob = thumbnail ? await findBlob(ctx.db.read, thumbnail.object) : file.blob
  // It was deleted between two looks.
  if (!blob) throw fileNotFound()
  const { type, disposition } = thumbnail
    ? { type: 'image/webp', disposition: 'inline' as const }
    : servedAs(file.type)
  const name = await nameOf(ctx, file)
  return {
    size: blob.size,
    type,
    etag: `"${blob.sha256}"`,
    modifiedAt: file.created_at,
    headers: {
      'cache-control': await cacheControlOf(ctx, file),
      'content-disposition': contentDisposition(disposition, thumbnail ? `${name}.webp` : name),
      'content-security-policy': "sandbox; default-src 'none'",
      // Clients live on other origins. What is private is guarded by token or link, which no other page has.
      'cross-origin-resource-policy': 'cross-origin',
    },
    read: (start, length) => readBlob(ctx, blob, { start, length }),
    onBroken: (error) => {
      ctx.log.error({ file_id: file.id, err: error }, 'a file could not be sent to its end')
    },
  }
}

/** A copy of what may be deleted, or is not for everybody, is good only for as long as the server says so. */
async function cacheControlOf(ctx: Context, file: StoredFile): Promise<string> {
  if (file.visibility === 'public') return `public, max-age=${DAY_SECONDS}, immutable`
  return (await isPublic(ctx, file)) ? 'public, no-cache' : 'private, no-cache'
}

/** Between looking up a blob and reading it, it may have been moved to another store. */
async function* readBlob(
  ctx: Context,
  blob: BlobTable,
  range: { start: number; length: number },
): AsyncGenerator<Uint8Array> {
  let missing: unknown
  try {
    yield* ctx.vault.read(blob, range)
    return
  } catch (error) {
    if (!(error instanceof ObjectMissingError)) throw error
    missing = error
  }
  const now = await findBlob(ctx.db.read, blob.object)
  if (!now) throw fileNotFound()
  if (now.store === blob.store) throw missing
  yield* ctx.vault.read(now, range)
}

function asHttpError(error: unknown): unknown {
  return error instanceof StorageUnavailableError
    ? unavailable('The files are not available at the moment', 5, error)
    : error
}
