import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import { EgressFailedError } from './errors.ts'

const decoders = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

/**
 * Reads an answer that may hold `maxBytes`, as it came and again once it is unpacked: a few bytes that unpack to
 * gigabytes are cut where they pass the bound.
 *
 * @throws EgressFailedError
 */
export async function readBody(
  stream: AsyncIterable<Buffer>,
  encoding: string | undefined,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stream) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new EgressFailedError('the answer is too large')
    chunks.push(chunk)
  }
  const packed = Buffer.concat(chunks)
  const name = encoding?.trim().toLowerCase() ?? 'identity'
  if (name === 'identity' || name === '' || packed.length === 0) return packed
  if (!Object.hasOwn(decoders, name)) throw new EgressFailedError('the answer is packed in an unknown way')
  try {
    return await decoders[name as keyof typeof decoders](packed, { maxOutputLength: maxBytes })
  } catch (cause) {
    throw new EgressFailedError('the answer cannot be unpacked, or is too large', { cause })
  }
}
