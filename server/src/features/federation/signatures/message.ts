/** A request as far as a signature can cover it. */
export interface SignableMessage {
  readonly method: string
  /** Where it goes, with scheme and host. */
  readonly target: URL
  /** By lower-case name: the value of each line, in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>
}

/** Why a signature does not count. The sender may read it. */
export class SignatureError extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = 'SignatureError'
  }
}

/** The fields of a request as Node.js received them, lines of the same name kept apart. */
export function fieldsOf(rawHeaders: readonly string[]): Map<string, string[]> {
  const fields = new Map<string, string[]>()
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!.toLowerCase()
    const lines = fields.get(name)
    if (lines) lines.push(rawHeaders[index + 1]!)
    else fields.set(name, [rawHeaders[index + 1]!])
  }
  return fields
}

/** The one line of a field. @throws SignatureError when there is none or more than one */
export function onlyLine(message: SignableMessage, name: string): string {
  const lines = message.fields.get(name)
  if (!lines) throw new SignatureError(`the header ${name} is missing`)
  if (lines.length > 1) throw new SignatureError(`the header ${name} comes more than once`)
  return lines[0]!
}

/** Bytes of strict base64 (RFC 4648, section 4, padding required); undefined for anything else. */
export function fromBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined
  return Buffer.from(text, 'base64')
}
