import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { seededRandom } from './random.ts'

/**
 * Writes messages into the database of a server that does not run: more of them, and older ones, than could be sent.
 * They are spread at random over the channels and over time, and the same in every run. Nobody can read them.
 *
 * @param days how far back they reach
 */
export function writeHistory(dataDir: string, count: number, days: number): void {
  using database = new DatabaseSync(join(dataDir, 'db', 'pufferblow.sqlite'))
  database.exec('pragma synchronous = off; pragma foreign_keys = off; begin')
  const channels = database.prepare('select id, created_by, last_seq from channel order by id').all() as {
    id: string
    created_by: string
    last_seq: number
  }[]
  const insert = database.prepare(`
    insert into message (id, channel_id, seq, sender_id, kid, sealed, revision, has_files, sent_at, deleted_at, deleted_by)
    values (?, ?, ?, ?, 'bench', ?, 1, 0, ?, ?, null)
  `)
  const random = seededRandom(1)
  const sealed = new Uint8Array(64)
  const end = Date.now()
  const each = Math.floor(count / channels.length)
  for (const [index, { id, created_by: sender, last_seq: before }] of channels.entries()) {
    // Gaps of an exponential distribution: bursts and silences, as people have them.
    const gap = (days * 24 * 3600 * 1000) / each
    let sentAt = end - days * 24 * 3600 * 1000
    for (let seq = before + 1; seq <= before + each; seq++) {
      sentAt = Math.min(end, sentAt - Math.log(1 - random()) * gap)
      const number = (index * each + seq).toString(16).padStart(12, '0')
      const deletedAt = random() < 0.01 ? end : null
      insert.run(
        `00000000-0000-7000-8000-${number}`,
        id,
        seq,
        sender,
        deletedAt ? null : sealed,
        Math.floor(sentAt),
        deletedAt,
      )
    }
    database.prepare('update channel set last_seq = ? where id = ?').run(before + each, id)
  }
  database.exec('commit')
}
