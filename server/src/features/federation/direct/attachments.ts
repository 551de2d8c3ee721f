import { isObject, listOf, stringOf, type JsonObject } from '../json.ts'

/** A file that came with a note, by its address. */
export interface RemoteFile {
  readonly url: string
  readonly name: string
}

const MAX_FILES = 16
const MAX_URL = 2000

/**
 * What a note has attached, in the forms that are in use: addresses, objects with `href`, objects with `url`, which may
 * be a list of links. Only addresses of the web.
 */
export function attachmentsOf(note: JsonObject): RemoteFile[] {
  return listOf(note['attachment'])
    .slice(0, MAX_FILES)
    .flatMap((item): RemoteFile[] => {
      const url = urlOf(item)
      if (url === undefined || url.length > MAX_URL || !/^https?:\/\//i.test(url) || !URL.canParse(url))
        return []
      const stated = isObject(item) ? stringOf(item['name']) : undefined
      return [{ url, name: stated || (new URL(url).pathname.split('/').at(-1) ?? '') }]
    })
}

function urlOf(item: unknown): string | undefined {
  if (typeof item === 'string') return item
  if (!isObject(item)) return undefined
  const [url] = listOf(item['url'])
  return stringOf(item['href']) ?? stringOf(url) ?? (isObject(url) ? stringOf(url['href']) : undefined)
}
