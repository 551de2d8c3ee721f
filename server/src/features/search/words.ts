import { fold } from './fold.ts'

/**
 * Scripts that are written without spaces between words, or, as Korean, with particles attached to them. What is
 * written in them is cut into pairs of characters that overlap (bigrams), so that any part of it can be found.
 */
const UNSPACED = String.raw`[\p{Script=Han}\p{Script_Extensions=Hiragana}\p{Script_Extensions=Katakana}\p{Script=Bopomofo}\p{Script=Hangul}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]`
const WRITTEN = String.raw`[\p{L}\p{N}\p{M}]`
/** A run without spaces, a word, or a sign that stands for itself. */
const PIECES = new RegExp(
  String.raw`(?<run>[${UNSPACED}&&${WRITTEN}]+)|[${WRITTEN}--${UNSPACED}]+|\p{RI}\p{RI}|\p{Extended_Pictographic}`,
  'gv',
)
/** What is longer is no word; its beginning will do. */
const MAX_LENGTH = 64
/** Words of a text that are looked at: whoever sends a book must not hold up the others. */
const MAX_WORDS = 5000

/** What a text says, as it is indexed and looked for. */
export interface Words {
  /** In the order of the text: what phrases are found in. */
  readonly inOrder: readonly string[]
  /** Single characters of runs without spaces, by which alone one may look for them too. */
  readonly characters: ReadonlySet<string>
}

/** Takes a text apart into words, folded. */
export function wordsOf(text: string): Words {
  const inOrder: string[] = []
  const characters = new Set<string>()
  for (const { 0: piece, groups } of fold(text).matchAll(PIECES)) {
    if (groups?.['run'] === undefined) inOrder.push(shorten(piece))
    else addRun(Array.from(piece), inOrder, characters)
    if (inOrder.length >= MAX_WORDS) break
  }
  return { inOrder: inOrder.slice(0, MAX_WORDS), characters }
}

function addRun(run: readonly string[], inOrder: string[], characters: Set<string>): void {
  for (const character of run.slice(0, MAX_WORDS)) characters.add(character)
  if (run.length === 1) inOrder.push(run[0]!)
  for (let i = 1; i < run.length && inOrder.length < MAX_WORDS; i++) inOrder.push(run[i - 1]! + run[i]!)
}

function shorten(word: string): string {
  return word.length <= MAX_LENGTH ? word : Array.from(word).slice(0, MAX_LENGTH).join('')
}
