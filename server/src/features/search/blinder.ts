import { createHmac, type KeyObject } from 'node:crypto'
import { Lru } from '#lib/lru.ts'
import type { Stemmer } from './stemmers.ts'

const REMEMBERED = 30_000
/** 64 bits of the digest, in hexadecimal digits. */
const TOKEN_DIGITS = 16

/** What a token stands for. The same text of another kind is another token. */
type Kind = 'word' | 'stem' | 'character' | 'channel' | 'author' | 'has'

/** A word of a text, as tokens. */
interface WordTokens {
  readonly exact: string
  /** Of stems that differ from the word. */
  readonly stems: readonly string[]
}

/**
 * Turns what can be looked for into tokens that tell nothing to whoever lacks the key: HMAC-SHA-256 (RFC 2104) over
 * kind and text, cut to 64 bits. The same word is always the same token, which is what makes it findable.
 */
export class Blinder {
  readonly #key: KeyObject
  readonly #stemmers: readonly Stemmer[]
  /** Few words make up most of what people write. */
  readonly #words = new Lru<string, WordTokens>(REMEMBERED)
  readonly #tokens = new Lru<string, string>(REMEMBERED / 10)

  constructor(key: KeyObject, stemmers: readonly Stemmer[]) {
    this.#key = key
    this.#stemmers = stemmers
  }

  /** What is indexed of a word. */
  word(word: string): WordTokens {
    const known = this.#words.get(word)
    if (known) return known
    const tokens = {
      exact: this.#digest('word', word),
      stems: this.#stemsOf(word)
        .filter((stem) => stem !== word)
        .map((stem) => this.#digest('stem', stem)),
    }
    this.#words.set(word, tokens)
    return tokens
  }

  /** One of these is in every text that has the word, or another word of the same stem. */
  related(word: string): string[] {
    const stems = this.#stemsOf(word)
    const words = new Set([word, ...stems])
    return [
      ...[...words].map((one) => this.#digest('word', one)),
      ...stems.map((stem) => this.#digest('stem', stem)),
    ]
  }

  #stemsOf(word: string): string[] {
    return [...new Set(this.#stemmers.map((stem) => stem(word)))]
  }

  /** What is not a word of a text. */
  token(kind: Exclude<Kind, 'word' | 'stem'>, text: string): string {
    const name = `${kind}/${text}`
    const known = this.#tokens.get(name)
    if (known !== undefined) return known
    const token = this.#digest(kind, text)
    this.#tokens.set(name, token)
    return token
  }

  #digest(kind: Kind, text: string): string {
    return createHmac('sha256', this.#key).update(`${kind}/${text}`).digest('hex').slice(0, TOKEN_DIGITS)
  }
}
