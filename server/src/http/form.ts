import type { FastifyRequest } from 'fastify'
import { badRequest, HttpError } from './errors.ts'

const LIMITS = { fields: 50, parts: 60, fieldNameSize: 100, headerPairs: 50 }

/**
 * Reads a multipart form part by part as it arrives. Fields that come more than once become lists, which no
 * schema of ours takes.
 *
 * @param limitBytes how much all fields together may hold
 * @throws HttpError 400, 413
 */
export async function readForm(
  request: FastifyRequest,
  limitBytes: number,
): Promise<Record<string, unknown>> {
  const fields: Record<string, unknown> = Object.create(null)
  let files = 0
  let bytes = 0
  try {
    for await (const part of request.parts({ limits: { ...LIMITS, fieldSize: limitBytes } })) {
      if (part.type === 'file') {
        part.file.resume()
        // Browsers send an empty file part for an input nobody filled in.
        if (part.filename) files++
      } else if (part.valueTruncated || part.fieldnameTruncated) {
        throw new HttpError(413, 'A form field is too large')
      } else {
        bytes += Buffer.byteLength(typeof part.value === 'string' ? part.value : JSON.stringify(part.value))
        if (bytes > limitBytes) throw new HttpError(413, 'The form is too large')
        const known = fields[part.fieldname]
        fields[part.fieldname] = known === undefined ? part.value : [known, part.value].flat()
      }
    }
  } catch (error) {
    // What is still to come is not taken apart any more, let alone kept.
    request.raw.unpipe()
    request.raw.resume()
    throw asHttpError(error)
  }
  if (files > 0) throw badRequest('This server does not take file attachments')
  return fields
}

function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  const status = (error as { statusCode?: unknown }).statusCode
  if (status === 413) return new HttpError(413, 'The form has too many or too large parts', { cause: error })
  return new HttpError(400, 'The form cannot be read', { cause: error })
}
