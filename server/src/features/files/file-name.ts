import { cleanLine } from '#lib/text.ts'

/** What file systems take, in bytes of UTF-8. */
const MAX_BYTES = 255
const MAX_EXTENSION = 20
/** Marks that turn the direction of text, so that `exe` can be read as a harmless ending, and such as take no room. */
const INVISIBLE =
  // oxlint-disable-next-line no-misleading-character-class -- each of them is meant by itself
  /[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g

/**
 * A file's name as it is kept and shown: no path, no control characters, nothing invisible, no more than file systems
 * take. Only for people: nothing is ever stored under it.
 */
export function cleanFileName(given: string): string {
  const base = cleanLine(given.normalize('NFC')).split(/[/\\]/).at(-1)!
  const name = base.replace(INVISIBLE, '').replace(/^[\s.]+|[\s.]+$/g, '')
  return name === '' ? 'file' : shorten(name)
}

/** Cuts in the middle: the ending says what it is. */
function shorten(name: string): string {
  if (Buffer.byteLength(name) <= MAX_BYTES) return name
  const ending = /\.[^.\s]+$/.exec(name)?.[0] ?? ''
  const kept = ending.length <= MAX_EXTENSION ? ending : ''
  const room = MAX_BYTES - Buffer.byteLength(kept)
  let start = ''
  for (const character of name.slice(0, name.length - kept.length)) {
    if (Buffer.byteLength(start) + Buffer.byteLength(character) > room) break
    start += character
  }
  return start + kept
}
