import { MASK } from './mask.ts'
import { maskSecretValues } from './secret-values.ts'

/*
 * The last line of defence: code does not log secrets in the first place, but errors of libraries, URLs and objects
 * logged whole may carry some. Everything written passes through here.
 */

/** What all the patterns below have in common; most lines contain none of it and are let through at once. */
const SUSPICIOUS =
  /eyJ|:\/\/|bearer|token|password|passphrase|secret|signature|resume|authorization|cookie|master_key/i

const BEARER = /(bearer(?:\s{1,4}|%20|\+))[^\s"\\,;&]+/gi
/** Consumes whole runs, dots included, so that no part of the text is looked at twice. */
const JWT_RUN = /eyJ[\w.-]*/g
const URL_CREDENTIALS = /:\/\/[^\s/?#"\\]*@/g

/**
 * Masks secrets in a line of JSON and leaves it valid: JSON Web Tokens, bearer tokens, credentials in URLs, and the
 * values of names such as `auth_token` or `password` in JSON (also JSON within a string), query and form notation.
 */
export function redactLine(line: string): string {
  if (!SUSPICIOUS.test(line)) return line
  return maskSecretValues(line)
    .replace(BEARER, `$1${MASK}`)
    .replace(JWT_RUN, (run) => (run.split('.', 3).length === 3 ? MASK : run))
    .replace(URL_CREDENTIALS, `://${MASK}@`)
}

/** Masks secrets, as {@link redactLine} does, in any text. */
export function redactText(text: string): string {
  if (!SUSPICIOUS.test(text)) return text
  // As a JSON string the text has an unambiguous form, and there is one set of rules instead of two.
  return JSON.parse(redactLine(JSON.stringify(text))) as string
}
