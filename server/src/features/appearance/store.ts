import type { Db, Tx } from '#db/database.ts'
import type { AppearanceTable } from '#db/tables.ts'

/** What was chosen, by subject: of the given ones or of all. */
export async function appearances(
  db: Db,
  subjectIds?: readonly string[],
): Promise<Map<string, AppearanceTable>> {
  let query = db.selectFrom('appearance').selectAll()
  if (subjectIds) query = query.where('subject_id', 'in', subjectIds)
  return new Map((await query.execute()).map((row) => [row.subject_id, row]))
}

/** Changes what is given and keeps the rest. */
export async function putAppearance(
  tx: Tx,
  subjectId: string,
  change: Partial<Omit<AppearanceTable, 'subject_id'>>,
): Promise<void> {
  const nothing = { avatar_kind: null, banner_kind: null, accent_color: null, avatar_seed: null }
  const insert = tx.insertInto('appearance').values({ subject_id: subjectId, ...nothing, ...change })
  await insert
    .onConflict((conflict) => {
      const column = conflict.column('subject_id')
      return Object.keys(change).length === 0 ? column.doNothing() : column.doUpdateSet(change)
    })
    .execute()
}
