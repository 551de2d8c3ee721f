import type { Position } from '#events/events.ts'

/** Everything up to `pos` of each stream has been seen. */
export type Cursor = ReadonlyMap<number, number>

const ENTRY = /^([0-9a-z]{1,4})\.([0-9a-z]{1,11})$/
const MAX_STREAMS = 64

/** What tells this server's log from others: their positions look alike and mean nothing here. */
export function logMark(serverId: string): string {
  return serverId.slice(-8)
}

/** A cursor as clients keep it. They must treat it as opaque. */
export function formatCursor(mark: string, cursor: Cursor): string {
  const entries = [...cursor].map(([stream, pos]) => `${stream.toString(36)}.${pos.toString(36)}`)
  return [mark, ...entries].join('_')
}

/** @returns undefined when `text` is not a cursor of ours */
export function parseCursor(mark: string, text: string): Cursor | undefined {
  const cursor = new Map<number, number>()
  const [log, ...entries] = text.split('_', MAX_STREAMS + 2)
  if (log !== mark || entries.length === 0) return undefined
  if (entries.length > MAX_STREAMS) return undefined
  for (const entry of entries) {
    const [, stream, pos] = ENTRY.exec(entry) ?? []
    if (stream === undefined || pos === undefined) return undefined
    const at = Number.parseInt(pos, 36)
    if (!Number.isSafeInteger(at)) return undefined
    cursor.set(Number.parseInt(stream, 36), at)
  }
  return cursor
}

/** `cursor` moved on to `position`. */
export function advance(cursor: Cursor, position: Position): Cursor {
  return new Map(cursor).set(position.stream, position.pos)
}
