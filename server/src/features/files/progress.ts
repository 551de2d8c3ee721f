import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Context } from '#context'
import type { Actor } from '#http/access.ts'

const NAME = /^[\w.:-]{1,100}$/
/** Frames of one upload do not come closer than this. */
const PAUSE_MS = 200

/** Who uploads, and what they call it. */
interface Uploading {
  readonly actor: Pick<Actor, 'userId'>
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly fields: Readonly<Record<string, unknown>>
}

/** Told as the files of a request come on. */
export interface Progress {
  readonly onBytes: (bytes: number) => void
  readonly onProcessing: () => void
}

const ofRequest = new WeakMap<FastifyRequest, Progress>()
const silent: Progress = { onBytes: () => {}, onProcessing: () => {} }

/**
 * Shows the sender's sockets how far an upload is, if it has a name: `upload_id`, in the query or in a field before the
 * files.
 */
export function progressOf(ctx: Pick<Context, 'bus' | 'clock'>, uploading: Uploading): Progress {
  const known = ofRequest.get(uploading.request)
  if (known) return known
  const name =
    (uploading.request.query as Record<string, unknown>)['upload_id'] ?? uploading.fields['upload_id']
  const progress = typeof name === 'string' && NAME.test(name) ? start(ctx, uploading, name) : silent
  ofRequest.set(uploading.request, progress)
  return progress
}

type State = 'receiving' | 'processing' | 'done' | 'failed'

function start(
  { bus, clock }: Pick<Context, 'bus' | 'clock'>,
  { actor, request, reply }: Uploading,
  uploadId: string,
): Progress {
  const announced = Number(request.headers['content-length'])
  const totalBytes = Number.isSafeInteger(announced) ? announced : null
  let receivedBytes = 0
  let toldAt = -Infinity
  const tell = (state: State): void => {
    toldAt = clock()
    bus.publish({
      event: { type: 'upload.progressed', userId: actor.userId, uploadId, state, receivedBytes, totalBytes },
    })
  }
  reply.raw.once('close', () => {
    const succeeded = reply.raw.writableFinished && reply.raw.statusCode < 400
    if (succeeded) receivedBytes = totalBytes ?? receivedBytes
    tell(succeeded ? 'done' : 'failed')
  })
  return {
    onBytes: (bytes) => {
      receivedBytes += bytes
      if (clock() - toldAt >= PAUSE_MS) tell('receiving')
    },
    onProcessing: () => tell('processing'),
  }
}
