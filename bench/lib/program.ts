import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Lets a program open as many sockets as it is allowed to; the limit for people is often 1024. */
export const WITH_MANY_FILES = [
  'sh',
  '-c',
  'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$@"',
  'sh',
] as const

/** Kernel ticks a second in `/proc`, which Linux fixes for user space on every architecture. */
const TICKS_PER_SECOND = 100
const START_MS = 30_000
const STOP_MS = 5_000

/** A server in a process of its own, with what the kernel knows about it. */
export class Program implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess
  readonly #kill = (): void => void this.#child.kill('SIGKILL')

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
    process.once('exit', this.#kill)
  }

  /**
   * Starts a Node.js program and waits until it has said where it listens.
   *
   * @param urlOf finds the address in a line of its standard output
   */
  static async start(
    args: readonly string[],
    urlOf: (line: string) => string | undefined,
    env: NodeJS.ProcessEnv = process.env,
  ): Promise<Program> {
    const [command, ...rest] = [...WITH_MANY_FILES, process.execPath, ...args]
    const child = spawn(command, rest, { env, stdio: ['ignore', 'pipe', 'inherit'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS)
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        const url = urlOf(line)
        if (url === undefined) continue
        // From here on nobody looks at what it says.
        child.stdout.resume()
        return new Program(child, url)
      }
      throw new Error(`${args.join(' ')} ended, or did not say in time where it listens`)
    } finally {
      clearTimeout(timer)
    }
  }

  /** Processor time of all its threads since it started. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'latin1')
    // The name, in parentheses, may hold blanks; user and system time are the 12th and 13th fields after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }

  rssBytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'latin1')
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await exited
    clearTimeout(timer)
  }
}
