/** Whom a text speaks to, before it is known who that is. */
export interface Mentions {
  /** What follows an `@`, in lower case, each once, as written and without a full stop or dash at its end. */
  readonly names: readonly string[]
  /** `@channel`, `@everyone`. */
  readonly everybody: boolean
  /** `@here`. */
  readonly here: boolean
}

/** How many different names of one text count. */
export const MAX_NAMES = 50
/** Names are short; what is longer is none. */
const MAX_NAME = 64
/** After the start, white space, or a sign that opens something: an address of mail is no mention. */
const MENTION = /(?<![^\s([{"'*~>])@([\p{L}\p{N}][\p{L}\p{N}\p{M}._-]*)/gu
const TRAILING = /[._-]+$/
const FENCE = '```'

/**
 * Finds whom a text mentions: `@` and a username (letters, digits, `.`, `_`, `-`), the id of a role or of a user, or one
 * of the words for many. What stands in code, between backticks, is not meant for anybody.
 *
 * @returns undefined when it mentions nobody
 */
export function mentionsIn(text: string): Mentions | undefined {
  // Nearly all texts end here.
  if (!text.includes('@')) return undefined
  const names = new Set<string>()
  let everybody = false
  let here = false
  for (const [, found] of withoutCode(text).matchAll(MENTION)) {
    if (found!.length > 2 * MAX_NAME) continue
    const written = found!.toLowerCase()
    for (const name of new Set([written, written.replace(TRAILING, '')])) {
      if (name === 'channel' || name === 'everyone') everybody = true
      else if (name === 'here') here = true
      else if (name.length <= MAX_NAME && names.size < MAX_NAMES) names.add(name)
    }
  }
  return names.size > 0 || everybody || here ? { names: [...names], everybody, here } : undefined
}

/** Text with its code left out. What is opened and not closed is no code. Takes time in proportion to the text. */
function withoutCode(text: string): string {
  if (!text.includes('`')) return text
  return outside(text, FENCE)
    .map((part) => outside(part, '`').join(' '))
    .join(' ')
}

/** What is not between two of `mark`. */
function outside(text: string, mark: string): string[] {
  const parts = text.split(mark)
  const isOpen = parts.length % 2 === 0
  return parts.filter((_part, index) => index % 2 === 0 || (isOpen && index === parts.length - 1))
}
