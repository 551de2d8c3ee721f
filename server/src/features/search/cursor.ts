import { isId } from '#lib/id.ts'
import type { Place } from './store.ts'

const FORM = /^([0-9a-z]{1,9})_(.{36})$/

/** Where a page of results ends, as clients keep it. They must treat it as opaque. */
export function formatPlace({ sentAt, messageId }: Place): string {
  return `${sentAt.toString(36)}_${messageId}`
}

/** @returns undefined when `text` is no place of ours */
export function parsePlace(text: string): Place | undefined {
  const [, time, messageId] = FORM.exec(text) ?? []
  if (time === undefined || messageId === undefined || !isId(messageId)) return undefined
  return { sentAt: Number.parseInt(time, 36), messageId }
}
