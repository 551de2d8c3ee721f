import { brokenImage, ImageError } from '../image-error.ts'
import { boxAt } from './boxes.ts'
import { blankLocations } from './video-location.ts'

/** Boxes at the top of a file that can hold a place of recording. */
const HELD: ReadonlySet<string> = new Set(['moov', 'udta', 'meta', 'uuid', 'XMP_'])

/** The index of a video of ten hours has a few MiB. */
const MAX_HELD = 16 * 1024 * 1024

/** Types of files that are made of such boxes. */
const TYPES: ReadonlySet<string> = new Set(['video/mp4', 'video/quicktime', 'video/3gpp', 'audio/mp4'])

/**
 * Passes a file on without the places of recording in it, if it is an MP4, QuickTime, 3GP or M4A, see
 * {@link blankLocations}; any other as it is. Holds back one box of its index at a time, never picture or sound; what
 * comes out is as long as what went in.
 *
 * @throws ImageError `broken` where such a file is not made of boxes, `too_large` where an index is over 16 MiB
 */
export async function* withoutLocations(
  content: AsyncIterable<Uint8Array>,
  mime: string,
): AsyncGenerator<Uint8Array> {
  if (!TYPES.has(mime)) {
    yield* content
    return
  }
  const filter = new LocationFilter()
  for await (const chunk of content) yield* filter.take(chunk)
  yield filter.rest()
}

class LocationFilter {
  #state: 'header' | 'hold' | 'pass' = 'header'
  /** What was held back: a header that is not whole yet, or a box of the index. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Bytes to come before the state changes. */
  #missing = 8

  /** What is left when the file has ended. */
  rest(): Buffer {
    const rest = Buffer.concat(this.#held, this.#heldBytes)
    if (this.#state === 'hold' && rest.readUInt32BE(0) !== 0) {
      throw brokenImage('it ends in the middle of its index')
    }
    blankLocations(rest)
    return rest
  }

  /** What may go on, now that `chunk` has come. */
  *take(chunk: Uint8Array): Generator<Uint8Array> {
    for (let rest = chunk; rest.length > 0;) {
      const part = rest.subarray(0, this.#missing)
      rest = rest.subarray(part.length)
      this.#missing -= part.length
      if (this.#state === 'pass') {
        yield part
      } else {
        // A piece is good until the next one is asked for.
        this.#held.push(Buffer.from(part))
        this.#heldBytes += part.length
      }
      if (this.#missing === 0) yield* this.#advance()
    }
  }

  *#advance(): Generator<Uint8Array> {
    if (this.#state === 'pass') return this.#next('header', 8)
    // `concat` copies: what the caller gave is left as it was.
    const held = Buffer.concat(this.#held, this.#heldBytes)
    if (this.#state === 'hold') {
      blankLocations(held)
      yield held
      this.#next('header', 8)
      return
    }
    const size = held.readUInt32BE(0)
    if (size === 1 && held.length === 8) {
      this.#missing = 8
      return
    }
    const box = boxAt(held, 0, held.length)
    if (!box) throw brokenImage('it is not made of boxes')
    const isHeld = HELD.has(box.type)
    // A box without a length reaches to the end of the file.
    const rest = size === 0 ? (isHeld ? MAX_HELD : Number.MAX_SAFE_INTEGER) : box.end - held.length
    if (isHeld && rest > MAX_HELD) throw new ImageError('too_large', 'The index of the video is too large')
    if (isHeld && rest > 0) {
      this.#state = 'hold'
      this.#missing = rest
      return
    }
    yield held
    this.#next(rest > 0 ? 'pass' : 'header', rest > 0 ? rest : 8)
  }

  #next(state: 'header' | 'pass', missing: number): void {
    this.#state = state
    this.#missing = missing
    this.#held = []
    this.#heldBytes = 0
  }
}
