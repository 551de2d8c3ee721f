import type { Context } from '#context'
import type { FileTable } from '#db/tables.ts'
import { openMessage } from '#keys/seal.ts'
import { Lru } from '#lib/lru.ts'

/** Shown in place of a name that cannot be decrypted. */
const UNREADABLE = 'file'

/** Ties a sealed name to its file. */
export function nameAad(fileId: string): string {
  return `file-name/v1/${fileId}`
}

// A name never changes, so what was opened lately need not be opened again: files are fetched part by part.
const opened = new Lru<string, string>(5_000)

/** The name of a file as people see it. */
export async function nameOf(
  { keyring, log }: Pick<Context, 'keyring' | 'log'>,
  { id, kid, sealed_name }: Pick<FileTable, 'id' | 'kid' | 'sealed_name'>,
): Promise<string> {
  const known = opened.get(id)
  if (known !== undefined) return known
  try {
    const key = keyring.byId(kid) ?? (await keyring.find(kid))
    if (!key) throw new Error(`the key ${kid} is missing`)
    const name = openMessage(key.key, sealed_name, nameAad(id))
    opened.set(id, name)
    return name
  } catch (error) {
    log.error({ file_id: id, err: error }, 'the name of a file cannot be decrypted')
    return UNREADABLE
  }
}
