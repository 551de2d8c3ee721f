import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../bin/pufferblow.js', import.meta.url))
const START_MS = 60_000
const KEPT_LINES = 50

/** A server process on a folder and a port of its own, which is killed and started again at will. */
export class Program implements AsyncDisposable {
  readonly url: string
  readonly #env: Record<string, string>
  readonly #lines: string[] = []
  #child: ChildProcess | undefined
  #exited: Promise<unknown> = Promise.resolve()

  private constructor(port: number, env: Record<string, string>) {
    this.url = `http://127.0.0.1:${port}`
    this.#env = env
  }

  /** @param env variables, without the prefix */
  static async create(folder: string, env: Readonly<Record<string, string>>): Promise<Program> {
    const port = await freePort()
    const all = {
      DATA_DIR: folder,
      HOST: '127.0.0.1',
      PORT: String(port),
      PUBLIC_ORIGIN: 'https://chat.example',
      VOICE_PORT: '0',
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'warn',
      ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440',
      ...env,
    }
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PUFFERBLOW_'))
    const own = Object.entries(all).map(([name, value]) => [`PUFFERBLOW_${name}`, value])
    return new Program(port, Object.fromEntries([...others, ...own]) as Record<string, string>)
  }

  /** Starts it, and waits until it is ready to serve. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, 'serve'], {
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    let ended = false
    this.#exited = new Promise((resolve) =>
      child.once('exit', () => {
        ended = true
        resolve(undefined)
      }),
    )
    for (const stream of [child.stdout, child.stderr])
      createInterface({ input: stream }).on('line', (line) => {
        this.#lines.push(line)
        if (this.#lines.length > KEPT_LINES) this.#lines.shift()
      })
    const deadline = performance.now() + START_MS
    while (!(await this.isReady())) {
      if (ended || performance.now() > deadline)
        throw new Error(`the server did not start:\n${this.#lines.join('\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async isReady(): Promise<boolean> {
    try {
      const { status } = await fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(2000) })
      return status === 200
    } catch {
      return false
    }
  }

  /** Ends it at once, as a power cut would end the process. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#exited
  }

  /** Asks it to stop, as a rolling update does. */
  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM')
    await this.#exited
  }

  /** Runs a command beside it. */
  command(...args: string[]): void {
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], { env: this.#env })
    if (status !== 0) throw new Error(`${args.join(' ')} failed: ${String(stderr)}`)
  }

  /** Resident memory, in MiB. */
  memory(): number {
    const status = readFileSync(`/proc/${this.#child!.pid}/status`, 'utf8')
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}
