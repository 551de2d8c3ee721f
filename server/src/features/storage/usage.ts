import type { Context } from '#context'
import { blobTotals } from './store-verify.ts'
import { usageBy } from './store-usage.ts'

/** How much of something there is. */
export interface Share {
  readonly name: string
  readonly files: number
  readonly bytes: number
}

/** What takes the space. */
export interface Usage {
  /** Content, counted once however often it is used. */
  readonly stored: { readonly objects: number; readonly bytes: number }
  readonly by_kind: readonly Share[]
  readonly by_channel: readonly Share[]
  readonly by_person: readonly Share[]
}

/** @param limit how many channels and people are told, the largest first */
export async function storageUsage({ db }: Pick<Context, 'db'>, limit: number): Promise<Usage> {
  const { count, bytes } = await blobTotals(db.read)
  return {
    stored: { objects: count, bytes },
    by_kind: await usageBy(db.read, 'kind', limit),
    by_channel: await usageBy(db.read, 'channel', limit),
    by_person: await usageBy(db.read, 'person', limit),
  }
}
