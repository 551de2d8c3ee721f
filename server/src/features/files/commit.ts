import { randomBytes } from 'node:crypto'
import type { Context } from '#context'
import type { Tx } from '#db/database.ts'
import type { FileTable } from '#db/tables.ts'
import { together } from '#db/together.ts'
import type { AttachedFile } from '#events/events.ts'
import { HttpError } from '#http/errors.ts'
import { sealMessage } from '#keys/seal.ts'
import { nameAad } from './names.ts'
import { directoryFor, type Directory, type Purpose } from './policy.ts'
import {
  addUsage,
  claimLoose,
  deleteFiles,
  filesOfMessages,
  insertFile,
  loosen,
  releaseBlobs,
  subtractUsage,
  takeBlob,
} from './store.ts'
import type { StagedFile } from './staged-file.ts'
import type { StagedBlob } from './vault.ts'

const MB = 1024 * 1024
const GB = 1024 * MB

type Deps = Pick<Context, 'clock' | 'config' | 'keyring' | 'settings' | 'vault'>

/** What a file will belong to. */
export interface Use {
  readonly ownerId: string
  readonly purpose: Purpose
  readonly visibility: 'public' | 'members' | 'channel'
  readonly directory?: Directory | undefined
  readonly channelId?: string
  readonly messageId?: string
}

/**
 * Makes files of what was staged, as part of a transaction: blobs, references and quotas, all or nothing.
 *
 * @throws HttpError 507
 */
export async function storeFiles(
  ctx: Deps,
  tx: Tx,
  staged: readonly StagedFile[],
  use: Use,
): Promise<AttachedFile[]> {
  const blobs = staged.flatMap(({ main, thumbnails }) => [main, ...thumbnails.map(({ blob }) => blob)])
  const { user, server } = quotas(ctx)
  const [objects, fits] = await together([
    takeBlobs(ctx, tx, blobs),
    addUsage(tx, [
      { scope: use.ownerId, bytes: bytesOf(staged.map(({ main }) => main)), limit: user },
      // What is there already must fit in once more: else a full server would tell what it has.
      { scope: 'server', bytes: bytesOf(blobs), limit: server },
    ]),
  ])
  if (!fits) throw quotaExceeded()
  const spare = blobs.filter(({ object }) => objects.get(object) !== object)
  subtractUsage(tx, 'server', bytesOf(spare))
  loosen(tx, spare, ctx.clock())
  const files: AttachedFile[] = []
  for (const [place, file] of staged.entries()) {
    const row = rowOf(ctx, file, { ...use, place, object: objects.get(file.main.object)! })
    const thumbnails = file.thumbnails.map(({ width, height, blob }) => ({
      file_id: row.id,
      width,
      height,
      object: objects.get(blob.object)!,
      size: blob.size,
    }))
    insertFile(tx, row, thumbnails)
    files.push(attachedFile(ctx.config, row, { name: file.name, thumbnails }))
  }
  return files
}

/** @returns the object that holds each staged blob's content from now on */
async function takeBlobs(
  ctx: Deps,
  tx: Tx,
  blobs: readonly StagedBlob[],
): Promise<ReadonlyMap<string, string>> {
  const created_at = ctx.clock()
  // In the order of their content, so that two that store the same do not wait for each other.
  const inOrder = blobs.toSorted(byContent)
  const taken = await together(inOrder.map((blob) => takeBlob(tx, { ...blob, refs: 1, created_at })))
  const objects = new Map(inOrder.map(({ object }, index) => [object, taken[index]!]))
  claimLoose(
    tx,
    [...objects].filter(([own, object]) => own === object).map(([own]) => own),
    ctx.vault.writer,
  )
  return objects
}

function bytesOf(blobs: readonly StagedBlob[]): number {
  return blobs.reduce((sum, { size }) => sum + size, 0)
}

function byContent(a: StagedBlob, b: StagedBlob): number {
  return a.sha256 < b.sha256 ? -1 : a.sha256 > b.sha256 ? 1 : 0
}

function rowOf(
  ctx: Deps,
  file: StagedFile,
  use: Use & { readonly place: number; readonly object: string },
): FileTable {
  const id = newFileId()
  const key = ctx.keyring.current('file')
  return {
    id,
    object: use.object,
    owner_id: use.ownerId,
    purpose: use.purpose,
    visibility: use.visibility,
    directory: directoryFor(use.purpose, file.kind, file.type, use.directory),
    kind: file.kind,
    type: file.type,
    extension: file.extension,
    size: file.main.size,
    kid: key.kid,
    sealed_name: sealMessage(key.key, file.name, nameAad(id)),
    width: file.width,
    height: file.height,
    is_animated: file.isAnimated ? 1 : 0,
    channel_id: use.channelId ?? null,
    message_id: use.messageId ?? null,
    place: use.place,
    created_at: ctx.clock(),
  }
}

/** 128 random bits: an address that nobody guesses. */
function newFileId(): string {
  return randomBytes(16).toString('base64url')
}

export function attachedFile(
  config: Context['config'],
  row: FileTable,
  { name, thumbnails }: { name: string; thumbnails: readonly { width: number; height: number }[] },
): AttachedFile {
  return {
    id: row.id,
    name,
    type: row.type,
    kind: row.kind as AttachedFile['kind'],
    extension: row.extension,
    size: row.size,
    width: row.width,
    height: row.height,
    isAnimated: row.is_animated === 1,
    thumbnails: thumbnails.map(({ width, height }) => ({ width, height })),
    shownAs: config.compat.upstream_client ? 'object' : 'address',
  }
}

/** Removes files as part of a transaction. Content that nothing else refers to is removed from its store afterwards. */
export async function removeFiles(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  ids: readonly string[],
): Promise<FileTable[]> {
  if (ids.length === 0) return []
  const { files, references } = await deleteFiles(tx, ids)
  const gone = await releaseBlobs(tx, references)
  for (const [owner, bytes] of bytesByOwner(files)) subtractUsage(tx, owner, bytes)
  subtractUsage(
    tx,
    'server',
    gone.reduce((sum, { size }) => sum + size, 0),
  )
  loosen(tx, gone, ctx.clock())
  return files
}

/** Removes the files of messages that are being deleted. */
export async function removeFilesOfMessages(
  ctx: Pick<Context, 'clock'>,
  tx: Tx,
  messageIds: readonly string[],
): Promise<void> {
  const files = await filesOfMessages(tx, messageIds)
  await removeFiles(
    ctx,
    tx,
    files.map(({ id }) => id),
  )
}

function bytesByOwner(files: readonly FileTable[]): [string, number][] {
  const sums = new Map<string, number>()
  for (const { owner_id, size } of files) sums.set(owner_id, (sums.get(owner_id) ?? 0) + size)
  return [...sums].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Bytes that a user and the whole server may use. */
export function quotas({ settings }: Pick<Context, 'settings'>): { user: number; server: number } {
  const { user_storage_quota: user, server_storage_quota: server } = settings.current
  return {
    user: user === 0 ? Number.MAX_SAFE_INTEGER : user * MB,
    server: server === 0 ? Number.MAX_SAFE_INTEGER : server * GB,
  }
}

export function quotaExceeded(): HttpError {
  return new HttpError(507, 'There is no room for this file: the storage quota is used up')
}
