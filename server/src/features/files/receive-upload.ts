import type { Context } from '#context'
import type { UploadCall } from '#http/endpoint.ts'
import type { IncomingFile } from '#http/upload.ts'
import type { Directory, Purpose } from './policy.ts'
import { progressOf } from './progress.ts'
import { receiveFile } from './receive.ts'
import type { StagedFile } from './staged-file.ts'

/** Takes in a file of a form, for a use that is decided when the form has come. */
export function receiveUpload(
  ctx: Context,
  file: IncomingFile,
  { purpose, directory }: { purpose: Purpose; directory?: Directory | undefined },
  call: Omit<UploadCall<never>, 'params'>,
): Promise<StagedFile> {
  const announced = Number(call.request.headers['content-length'])
  const { onBytes, onProcessing } = progressOf(ctx, call)
  const announcedBytes = Number.isSafeInteger(announced) ? announced : undefined
  return receiveFile(ctx, call.actor, file, { purpose, directory, announcedBytes, onBytes, onProcessing })
}
