import { Transform, type TransformCallback } from 'node:stream'
import { brokenImage, ImageError } from '../image-error.ts'
import { boxAt } from './boxes.ts'
import { blankLocations } from './video-location.ts'

/** Boxes at the top of a file that can hold a place of recording. */
const HELD: ReadonlySet<string> = new Set(['moov', 'udta', 'meta', 'uuid', 'XMP_'])

/** The index of a video of ten hours has a few MiB. */
const MAX_HELD = 16 * 1024 * 1024

/**
 * Passes an MP4 or QuickTime file on without the places of recording in it, see {@link blankLocations}. Holds back
 * one box of its index at a time, never picture or sound; what comes out is as long as what went in.
 *
 * Fails with ImageError: `broken` where the file is not made of boxes, `too_large` where an index is over 16 MiB.
 */
export class VideoLocationStripper extends Transform {
  #state: 'header' | 'hold' | 'pass' = 'header'
  /** What was held back: a header that is not whole yet, or a box of the index. */
  #held: Buffer[] = []
  #heldBytes = 0
  /** Bytes to come before the state changes. */
  #missing = 8

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      for (let rest = chunk; rest.length > 0;) {
        const part = rest.subarray(0, this.#missing)
        rest = rest.subarray(part.length)
        this.#missing -= part.length
        if (this.#state === 'pass') this.push(part)
        else this.#heldBytes += this.#held.push(part) && part.length
        if (this.#missing === 0) this.#advance()
      }
      done()
    } catch (error) {
      done(error as Error)
    }
  }

  override _flush(done: TransformCallback): void {
    const rest = Buffer.concat(this.#held, this.#heldBytes)
    if (this.#state === 'hold' && rest.readUInt32BE(0) !== 0) {
      done(brokenImage('it ends in the middle of its index'))
      return
    }
    blankLocations(rest)
    this.push(rest)
    done()
  }

  #advance(): void {
    // `concat` copies: what the caller gave is left as it was.
    const held = Buffer.concat(this.#held, this.#heldBytes)
    if (this.#state === 'header') {
      this.#readHeader(held)
      return
    }
    if (this.#state === 'hold') {
      blankLocations(held)
      this.push(held)
    }
    this.#next('header', 8)
  }

  #readHeader(header: Buffer): void {
    const size = header.readUInt32BE(0)
    if (size === 1 && header.length === 8) {
      this.#missing = 8
      return
    }
    const box = boxAt(header, 0, header.length)
    if (!box) throw brokenImage('it is not made of boxes')
    const hold = HELD.has(box.type)
    // A box without a length reaches to the end of the file.
    const rest = size === 0 ? (hold ? MAX_HELD : Number.MAX_SAFE_INTEGER) : box.end - header.length
    if (hold && rest > MAX_HELD) throw new ImageError('too_large', 'The index of the video is too large')
    if (hold && rest > 0) {
      this.#state = 'hold'
      this.#missing = rest
      return
    }
    this.push(header)
    this.#next(rest > 0 ? 'pass' : 'header', rest > 0 ? rest : 8)
  }

  #next(state: 'header' | 'pass', missing: number): void {
    this.#state = state
    this.#missing = missing
    this.#held = []
    this.#heldBytes = 0
  }
}
