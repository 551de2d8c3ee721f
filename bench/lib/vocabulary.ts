const CONSONANTS = 'bcdfghjklmnprstvwz'
const VOWELS = 'aeiou'

/** Made-up words, of which few are used often and most hardly ever, as in any language (Zipf's law). */
export class Vocabulary {
  readonly words: readonly string[]
  readonly #cumulated: Float64Array
  readonly #random: () => number

  constructor(size: number, random: () => number) {
    this.#random = random
    const words = new Set<string>()
    while (words.size < size) words.add(this.#invent())
    this.words = [...words]
    this.#cumulated = new Float64Array(size)
    let sum = 0
    for (let rank = 0; rank < size; rank++) this.#cumulated[rank] = sum += 1 / (rank + 2)
  }

  /** A word as often as it is used. */
  pick(): string {
    const cumulated = this.#cumulated
    const place = this.#random() * cumulated.at(-1)!
    let [low, high] = [0, cumulated.length - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (cumulated[middle]! < place) low = middle + 1
      else high = middle
    }
    return this.words[low]!
  }

  text(): string {
    return Array.from({ length: 4 + Math.floor(this.#random() * 17) }, () => this.pick()).join(' ')
  }

  #invent(): string {
    const of = (letters: string): string => letters[Math.floor(this.#random() * letters.length)]!
    const syllables = 1 + Math.floor(this.#random() * 4)
    return Array.from({ length: syllables }, () => of(CONSONANTS) + of(VOWELS)).join('') + of(CONSONANTS)
  }
}
