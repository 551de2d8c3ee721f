import type { Db } from '#db/database.ts'
import type { Share } from './usage.ts'

const columnOf = { kind: 'file.kind', channel: 'channel.name', person: 'user.username' } as const

/** Files and their bytes by what they are, where they were sent, or whose they are; the largest first. */
export async function usageBy(db: Db, what: keyof typeof columnOf, limit: number): Promise<Share[]> {
  const rows = await db
    .selectFrom('file')
    .leftJoin('channel', 'channel.id', 'file.channel_id')
    .leftJoin('user', 'user.id', 'file.owner_id')
    .select(({ fn, ref }) => [
      ref(columnOf[what]).as('name'),
      fn.countAll<number>().as('files'),
      fn.sum<number | string>('file.size').as('bytes'),
    ])
    .groupBy(columnOf[what])
    .orderBy('bytes', 'desc')
    .limit(limit)
    .execute()
  return rows.map(({ name, files, bytes }) => ({ name: name ?? '(none)', files, bytes: Number(bytes) }))
}
