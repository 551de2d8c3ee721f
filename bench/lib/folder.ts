import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder, gone when disposed of. Data of both sides lies there, so on the same disk. */
export class TemporaryFolder implements Disposable {
  readonly path: string
  readonly #remove = (): void => rmSync(this.path, { recursive: true, force: true })

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'pufferblow-bench-'))
    process.once('exit', this.#remove)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#remove)
    this.#remove()
  }
}
