import type { Context } from '#context'
import { EgressFailedError, EgressRefusedError } from '#egress/errors.ts'
import { receiveFile, type StagedFile } from '#features/files/index.ts'
import { HttpError } from '#http/errors.ts'
import { Semaphore } from '#lib/semaphore.ts'
import { PeerError } from '../errors.ts'
import type { RemoteFile } from './attachments.ts'

type Deps = Pick<Context, 'db' | 'log' | 'media' | 'scanner' | 'settings' | 'vault' | 'federation' | 'egress'>

/** Larger files stay where they are, and their address is shown. */
const MAX_BYTES = 16 * 1024 * 1024
/** The other server waits for our answer all the while. */
const PATIENCE_MS = 8_000
/** Messages with files that are taken in at a time: what is fetched is held in memory. */
const slots = new Semaphore(2, 64)

/** What came of the files of a note. */
export interface FetchedFiles extends AsyncDisposable {
  readonly staged: readonly StagedFile[]
  /** Addresses of those that could not be had. */
  readonly left: readonly string[]
}

/**
 * Fetches the files of a note, so that they are here as long as the message is, and nobody's client has to ask another
 * server for them. They pass what any upload passes.
 */
export async function fetchFiles(
  ctx: Deps,
  files: readonly RemoteFile[],
  ownerId: string,
): Promise<FetchedFiles> {
  const staged: StagedFile[] = []
  const left: string[] = []
  const end = performance.now() + PATIENCE_MS
  const take = async (file: RemoteFile): Promise<void> => {
    const enough = staged.length >= ctx.settings.current.max_attachments || performance.now() > end
    const one = enough ? undefined : await fetchFile(ctx, file, ownerId, end - performance.now())
    if (one) staged.push(one)
    else left.push(file.url)
  }
  if (files.length > 0) {
    await slots.run(async () => {
      for (const file of files) await take(file)
    })
  }
  return {
    staged,
    left,
    [Symbol.asyncDispose]: async () => {
      for (const file of staged) await file[Symbol.asyncDispose]()
    },
  }
}

async function fetchFile(
  ctx: Deps,
  { url, name }: RemoteFile,
  ownerId: string,
  timeoutMs: number,
): Promise<StagedFile | undefined> {
  try {
    const answer = await ctx.egress.request({
      method: 'GET',
      url,
      redirects: 3,
      maxBytes: MAX_BYTES,
      timeoutMs,
      admit: (target) => ctx.federation.policy.admit(target.host),
    })
    if (answer.status !== 200) return undefined
    const file = { field: 'attachment', filename: name, content: only(answer.body) }
    return await receiveFile(ctx, { userId: ownerId }, file, { purpose: 'attachment' })
  } catch (error) {
    const isExpected =
      error instanceof EgressFailedError ||
      error instanceof EgressRefusedError ||
      error instanceof PeerError ||
      error instanceof HttpError
    if (!isExpected) throw error
    ctx.log.debug({ err: error }, 'a file of a message from another server could not be fetched')
    return undefined
  }
}

async function* only(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
