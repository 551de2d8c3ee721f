import { createHash } from 'node:crypto'
import { rowToJson, type Row, type TableShape } from './shape.ts'

const MODULUS = 1n << 256n

/** What a table holds, in a form to compare. */
export interface TableDigest {
  readonly rows: number
  readonly hash: string
}

/**
 * Count and hash of a table, which do not depend on the order of its rows or columns, as databases sort text
 * differently: the sum of the SHA-256 of all rows, modulo 2^256 (MSet-Add-Hash of Clarke et al., 2003, without a key).
 */
export async function digestTable(
  { columns }: TableShape,
  batches: AsyncIterable<readonly Row[]>,
  onRows?: (count: number) => void,
): Promise<TableDigest> {
  const order = columns
    .map((name, index) => ({ name, index }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1))
    .map(({ index }) => index)
  let [rows, sum] = [0, 0n]
  for await (const batch of batches) {
    for (const row of batch) {
      const text = rowToJson(order.map((index) => row[index]!))
      sum = (sum + BigInt(`0x${createHash('sha256').update(text).digest('hex')}`)) % MODULUS
    }
    rows += batch.length
    onRows?.(batch.length)
  }
  return { rows, hash: sum.toString(16).padStart(64, '0') }
}
