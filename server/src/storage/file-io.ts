import { close, fsync, open, read, write } from 'node:fs'

/*
 * Files by their number, as promises. `fs/promises` makes an object of each open file and tracks it, which costs more
 * than reading a small one.
 */

export function openFile(path: string, flags: 'r' | 'wx', mode?: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, mode, (error, file) => (error ? reject(error) : resolve(file)))
  })
}

export function closeFile(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    close(file, (error) => (error ? reject(error) : resolve()))
  })
}

/** Resolves when what was written is on the disk. */
export function flushFile(file: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fsync(file, (error) => (error ? reject(error) : resolve()))
  })
}

/** Writes all of `bytes` at the end. */
export async function appendTo(file: number, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await new Promise<number>((resolve, reject) => {
      write(file, bytes, at, bytes.length - at, null, (error, count) =>
        error ? reject(error) : resolve(count),
      )
    })
  }
}

/** @returns how many bytes were read: 0 at the end */
export function readAt(file: number, into: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(file, into, 0, length, position, (error, count) => (error ? reject(error) : resolve(count)))
  })
}
