import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WITH_MANY_FILES } from './program.ts'
import type { SwarmCommand, SwarmProgress, SwarmReport } from './swarm-protocol.ts'

const WAIT_MS = 60_000
const program = fileURLToPath(new URL('./socket-swarm.ts', import.meta.url))

/** Many WebSocket clients, in a process of their own. */
export class Swarm implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #wake = new Set<() => void>()
  #progress: SwarmProgress = { open: 0, closed: 0, messages: 0, others: 0, sample: undefined }
  #latencies: readonly number[] | undefined
  #failure: string | undefined

  private constructor(child: ChildProcess) {
    this.#child = child
    child.on('message', (report: SwarmReport) => {
      if (report.type === 'progress') this.#progress = report
      else if (report.type === 'latencies') this.#latencies = report.latencies
      else this.#failure ??= report.reason
      for (const wake of this.#wake) wake()
    })
    child.on('exit', () => {
      this.#failure ??= 'the swarm ended'
      for (const wake of this.#wake) wake()
    })
  }

  /** Opens `count` sockets, spread evenly over the people whose `tokens` are given. */
  static async open(url: string, tokens: readonly string[], count: number): Promise<Swarm> {
    const [command, ...args] = [...WITH_MANY_FILES, process.execPath, program]
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const
    const swarm = new Swarm(spawn(command, args, { stdio: [...stdio] }))
    try {
      swarm.#tell({ type: 'open', url, tokens, count })
      await swarm.#until(() => swarm.#progress.open === count, `${count} open sockets`)
      return swarm
    } catch (error) {
      await swarm[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Frames with a message, on all sockets together. */
  get messages(): number {
    return this.#progress.messages
  }

  /** The first message that came, as JSON. */
  get sample(): string {
    return this.#progress.sample!
  }

  /** Resolves when there have been `messages` frames with a message. @throws when a socket was closed */
  async received(messages: number): Promise<void> {
    await this.#until(() => this.#progress.messages >= messages, `${messages} frames`)
    if (this.#progress.closed > 0) throw new Error(`${this.#progress.closed} sockets were closed`)
    if (this.#progress.messages > messages) throw new Error('more frames came than were sent')
  }

  /** Resolves when nothing, presence included, has come for a while. */
  async quiet(): Promise<void> {
    const deadline = performance.now() + WAIT_MS
    let before: number
    do {
      before = this.#progress.others + this.#progress.messages
      await sleep(1500)
      if (performance.now() > deadline) throw new Error('the sockets do not come to rest')
    } while (before !== this.#progress.others + this.#progress.messages)
  }

  forgetLatencies(): void {
    this.#tell({ type: 'forget-latencies' })
  }

  /** Milliseconds from sending to receipt, a figure for each frame whose message tells when it was sent. */
  async latencies(): Promise<readonly number[]> {
    this.#latencies = undefined
    this.#tell({ type: 'report-latencies' })
    await this.#until(() => this.#latencies !== undefined, 'latencies')
    return this.#latencies!
  }

  #tell(command: SwarmCommand): void {
    this.#child.send(command)
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (this.#failure !== undefined) finish(new Error(this.#failure))
        else if (condition()) finish()
      }
      const timer = setTimeout(
        () => finish(new Error(`waited too long for ${what}: ${JSON.stringify(this.#progress)}`)),
        WAIT_MS,
      )
      this.#wake.add(check)
      check()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }
}
