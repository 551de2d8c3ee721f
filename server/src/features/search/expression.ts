/** Tokens that stand next to each other. */
export type Phrase = readonly string[]

/** What a message must have to be found, in tokens: of each of `all` at least one phrase, and none of `none`. */
export interface Expression {
  readonly all: readonly (readonly Phrase[])[]
  readonly none: readonly Phrase[]
}

/** One of `expressions` as a query of FTS5 (https://www.sqlite.org/fts5.html#full_text_query_syntax). */
export function toFts5(expressions: readonly Expression[]): string {
  const phrase = (tokens: Phrase): string => `"${tokens.join(' ')}"`
  const anyOf = (phrases: readonly Phrase[]): string => `(${phrases.map(phrase).join(' OR ')})`
  const one = ({ all, none }: Expression): string => {
    const wanted = all.map(anyOf).join(' AND ')
    return none.length === 0 ? `(${wanted})` : `((${wanted}) NOT ${anyOf(none)})`
  }
  return expressions.map(one).join(' OR ')
}

/** One of `expressions` as a `tsquery` of PostgreSQL. */
export function toTsquery(expressions: readonly Expression[]): string {
  const phrase = (tokens: Phrase): string => `(${tokens.map((token) => `'${token}'`).join(' <-> ')})`
  const anyOf = (phrases: readonly Phrase[]): string => `(${phrases.map(phrase).join(' | ')})`
  const one = ({ all, none }: Expression): string => {
    const wanted = all.map(anyOf)
    return `(${[...wanted, ...(none.length > 0 ? [`!${anyOf(none)}`] : [])].join(' & ')})`
  }
  return expressions.map(one).join(' | ')
}
