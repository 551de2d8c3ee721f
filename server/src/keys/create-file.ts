import { randomUUID } from 'node:crypto'
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Creates a file with mode 0600, in a folder with mode 0700, if it does not exist; tells whether it did so. The file
 * appears with all its content or not at all, survives a power cut once this returns, and is never replaced.
 */
export function createPrivateFile(file: string, content: string): boolean {
  const folder = dirname(file)
  const firstMade = mkdirSync(folder, { recursive: true, mode: 0o700 })
  const draft = `${file}.${randomUUID()}.tmp`
  writeDurably(draft, content)
  try {
    linkSync(draft, file) // unlike a rename, a link fails when the name is taken
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return false
    if (code === undefined || !NO_LINKS.has(code)) throw error
    if (!createDirectly(file, content)) return false
  } finally {
    unlinkSync(draft)
  }
  syncFolder(folder)
  if (firstMade !== undefined) syncFolder(dirname(folder))
  return true
}

/** File systems without hard links (FAT, some network and container mounts) answer with one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

function writeDurably(file: string, content: string): void {
  const handle = openSync(file, 'wx', 0o600)
  try {
    writeFileSync(handle, content)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Still exclusive, but a crash in between leaves an incomplete file behind. */
function createDirectly(file: string, content: string): boolean {
  try {
    writeDurably(file, content)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Makes the names in a folder durable, not only what the files hold. Windows has no such thing. */
function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
