import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const START_MS = 30_000

/** Whether this machine has a Redis to test with. Says so when it has none, and fails where tests must be complete. */
export function hasRedis(): boolean {
  if (spawnSync('redis-server', ['--version']).status === 0) return true
  if (process.env['CI']) throw new Error('redis-server is not installed: apt-get install redis-server')
  process.stderr.write('SKIPPED: no test with Redis is run, since redis-server is not installed\n')
  return false
}

/** A real Redis of the test's own, on a socket in a folder of its own. */
export class TestRedis implements AsyncDisposable {
  readonly #folder: string
  #process: ChildProcess | undefined

  private constructor(folder: string) {
    this.#folder = folder
  }

  static async start(): Promise<TestRedis> {
    const redis = new TestRedis(mkdtempSync(join(tmpdir(), 'pufferblow-redis-')))
    await redis.start()
    return redis
  }

  get url(): string {
    return `unix:${this.#socket}`
  }

  get #socket(): string {
    return join(this.#folder, 'redis.sock')
  }

  /** Starts it, again and empty if it was stopped. */
  async start(): Promise<void> {
    const settings = { port: '0', unixsocket: this.#socket, save: '', appendonly: 'no', dir: this.#folder }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value])
    this.#process = spawn('redis-server', args, { stdio: 'ignore' })
    const deadline = Date.now() + START_MS
    while (!(await this.#answers())) {
      if (Date.now() > deadline) throw new Error('redis-server did not start')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Stops it as a crash would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  /** Keeps it from answering, without closing its connections. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill(signal)
    await gone
  }

  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = createConnection(this.#socket)
      socket.once('connect', () => socket.write('PING\r\n'))
      socket.once('data', (data) => {
        socket.destroy()
        resolve(String(data).startsWith('+PONG'))
      })
      socket.once('error', () => resolve(false))
    })
  }
}
