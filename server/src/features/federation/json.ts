const MAX_DEPTH = 32
const MAX_ITEMS = 100

/** What another server sent is not JSON, or more of it than anybody needs. */
export class JsonError extends Error {}

/** A JSON object whose members nobody has looked at yet. */
export type JsonObject = Readonly<Record<string, unknown>>

const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads a JSON object with bounds on depth and on the length of lists. The depth is counted before anything is built.
 *
 * @throws JsonError
 */
export function parseObject(bytes: Uint8Array): JsonObject {
  if (isTooDeep(bytes)) throw new JsonError('it is nested too deeply')
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch {
    throw new JsonError('it is not JSON')
  }
  if (!isObject(value)) throw new JsonError('it is not a JSON object')
  checkLists(value)
  return value
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** JSON-LD writes a list of one as that one, and an empty list as nothing. */
export function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  return Array.isArray(value) ? (value as unknown[]) : [value]
}

/** The id of something that may be there as a whole, or by its id only. */
export function idOf(value: unknown): string | undefined {
  const id = isObject(value) ? value['id'] : value
  return typeof id === 'string' && id !== '' ? id : undefined
}

/** All ids of a list. */
export function idsOf(value: unknown): string[] {
  return listOf(value).flatMap((item) => idOf(item) ?? [])
}

/** The first of the types that is one of `known`. */
export function typeAmong<const T extends string>(value: JsonObject, known: ReadonlySet<T>): T | undefined {
  return listOf(value['type']).find((type): type is T => known.has(type as T))
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Origin of an address; undefined for what is none. */
export function originOf(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined
  const { origin } = new URL(url)
  return origin === 'null' ? undefined : origin
}

function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0
  let inString = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (inString) {
      if (byte === 0x5c) index++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > MAX_DEPTH) return true
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return false
}

function checkLists(value: unknown): void {
  if (Array.isArray(value)) {
    if (value.length > MAX_ITEMS) throw new JsonError('it has a list that is too long')
    value.forEach(checkLists)
  } else if (isObject(value)) {
    Object.values(value).forEach(checkLists)
  }
}
