import type { FileHandle } from 'node:fs/promises'

/** Writes all of `piece` where the file stands: one `write(2)` may take less than it is given. */
export async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length;) {
    const { bytesWritten } = await handle.write(piece, at)
    at += bytesWritten
  }
}
