import { sql, type AliasedRawBuilder } from 'kysely'

/** Whole numbers and texts; both databases call the columns so. */
type Columns = Readonly<Partial<Record<`column${1 | 2 | 3 | 4}`, number | string>>>

/**
 * Rows as something to select from. One statement with many rows is planned once; a union of as many statements is not.
 *
 * @param rows at least one, all of the same length
 */
export function valuesOf<C extends Columns, const A extends string>(
  rows: readonly (readonly (number | string)[])[],
  alias: A,
): AliasedRawBuilder<C, A> {
  const written = rows.map(
    // PostgreSQL takes a bound number for a text here.
    (row) => sql`(${sql.join(row.map((value) => (typeof value === 'number' ? sql.lit(value) : value)))})`,
  )
  return sql<C>`(values ${sql.join(written)})`.as(alias)
}
