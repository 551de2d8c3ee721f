/** A table as it travels from one database to another, whatever product either is. */
export interface TableShape {
  readonly name: string
  readonly columns: readonly string[]
}

/** A table with the columns that tell its rows apart, which every table has. */
export interface KeyedTable extends TableShape {
  readonly key: readonly string[]
}

/** A value of a column as both databases take and give it; times and flags are integers. */
export type Value = string | number | null | Uint8Array
export type Row = readonly Value[]

/**
 * What does not travel: what Kysely notes about migrations, which the other side has done itself; who has sockets open;
 * and the search index, whose form differs between the products and which is made again from the messages. Nor does the note of an unfinished move (see `ledger.ts`).
 */
export function travels(table: string): boolean {
  return !/^(kysely_|sqlite_|search_|presence$|database_transfer$)/.test(table)
}

/**
 * Tables in an order in which each comes after those that it refers to.
 *
 * @param references by table, the tables that its foreign keys name
 */
export function inDependencyOrder<T extends { readonly name: string }>(
  tables: readonly T[],
  references: ReadonlyMap<string, ReadonlySet<string>>,
): T[] {
  const ordered: T[] = []
  const visited = new Set<string>()
  const visit = (table: T): void => {
    if (visited.has(table.name)) return
    visited.add(table.name)
    for (const other of tables) if (references.get(table.name)?.has(other.name)) visit(other)
    ordered.push(table)
  }
  for (const table of tables) visit(table)
  return ordered
}

/** A row as text that is the same whichever database it comes from. Binary values are objects with one key. */
export function rowToJson(row: Row): string {
  return JSON.stringify(row.map(valueToJson))
}

export function valueToJson(value: Value): unknown {
  return value instanceof Uint8Array ? { b64: Buffer.from(value).toString('base64') } : value
}

/** Undoes {@link valueToJson}. */
export function valueFromJson(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value
  return Buffer.from((value as { b64: string }).b64, 'base64')
}
