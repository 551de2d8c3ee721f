import type { Context } from '#context'
import type { FileTable } from '#db/tables.ts'
import { openMessage } from '#keys/seal.ts'

/** Shown in place of a name that cannot be decrypted. */
const UNREADABLE = 'file'

/** Ties a sealed name to its file. */
export function nameAad(fileId: string): string {
  return `file-name/v1/${fileId}`
}

/** The name of a file as people see it. */
export async function nameOf(
  { keyring, log }: Pick<Context, 'keyring' | 'log'>,
  { id, kid, sealed_name }: Pick<FileTable, 'id' | 'kid' | 'sealed_name'>,
): Promise<string> {
  try {
    const key = keyring.byId(kid) ?? (await keyring.find(kid))
    if (!key) throw new Error(`the key ${kid} is missing`)
    return openMessage(key.key, sealed_name, nameAad(id))
  } catch (error) {
    log.error({ file_id: id, err: error }, 'the name of a file cannot be decrypted')
    return UNREADABLE
  }
}
