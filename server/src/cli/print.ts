import { stripVTControlCharacters } from 'node:util'

/** Writes a result: to standard output, which carries nothing else. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2))
}

/** Writes rows in columns as wide as their content. */
export function printTable(header: readonly string[], rows: readonly (readonly string[])[]): void {
  const lines = [header, ...rows].map((row) => row.map((cell) => stripVTControlCharacters(cell)))
  const widths = header.map((_title, column) => Math.max(...lines.map((row) => [...row[column]!].length)))
  for (const row of lines) {
    const cells = row.map((cell, column) => cell + ' '.repeat(widths[column]! - [...cell].length))
    print(cells.join('  ').trimEnd())
  }
}

/** Writes a remark for people: to standard error, where it is not taken for the result. */
export function remark(text: string): void {
  process.stderr.write(`pufferblow: ${text}\n`)
}
