import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { SqliteEngine } from '#db/dialect/sqlite.ts'
import { migrate } from '#db/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A file with all tables and no rows; each test server begins with a copy. */
    sqliteTemplate: string
  }
}

/** Makes the tables once for the whole run. */
export default async function setup(project: TestProject): Promise<() => void> {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-sqlite-'))
  const file = join(folder, 'template.sqlite')
  const engine = await SqliteEngine.open({ file, cacheMb: 1 }, (error) => {
    throw error
  })
  await migrate(engine.schema)
  await engine[Symbol.asyncDispose]()
  project.provide('sqliteTemplate', file)
  return () => rmSync(folder, { recursive: true })
}
