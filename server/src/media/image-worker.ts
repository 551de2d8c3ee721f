import { fork, type ChildProcess } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ImageError, type ImageFailure } from './image-error.ts'
import type { ImageLimits, ImageOptions, ProcessedImage } from './image.ts'

export interface ImageRequest {
  readonly bytes: Uint8Array
  readonly options: ImageOptions
  readonly limits: ImageLimits
}

export type ImageAnswer =
  | { readonly ready: true }
  | { readonly image: ProcessedImage }
  | {
      readonly failure: {
        readonly reason: ImageFailure
        readonly message: string
        readonly stripped: Uint8Array | undefined
      }
    }

const PROGRAM = fileURLToPath(new URL('./image-process.ts', import.meta.url))
const START_TIMEOUT_MS = 15_000
/** Decoding is never urgent: messages come first (19 is the least of all). */
const NICENESS = 15

/** This side's end of a process that decodes pictures, one at a time. */
export class ImageWorker implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  #waiting: ((answer: ImageAnswer | Ended) => void) | undefined
  #ended: Ended | undefined

  private constructor() {
    this.#process = fork(PROGRAM, {
      // No settings and no secrets: only what the runtime itself needs.
      env: {
        PATH: process.env['PATH'],
        NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
        // What a decoder gives back is used again by the next one, whichever thread it runs in.
        MALLOC_ARENA_MAX: '2',
      },
      execArgv: ['--max-old-space-size=128', '--max-semi-space-size=2'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#process.on('message', (answer: ImageAnswer) => this.#settle(answer))
    this.#exited = new Promise((done) => {
      const end = (ended: Ended): void => {
        this.#ended ??= ended
        this.#settle(this.#ended)
        done()
      }
      this.#process.on('error', (error) => end({ ended: String(error) }))
      this.#process.once('exit', (code, signal) => end({ ended: signal ?? `code ${code}` }))
    })
  }

  /** @throws Error when it does not start */
  static async start(): Promise<ImageWorker> {
    const worker = new ImageWorker()
    const answer = await worker.#next(START_TIMEOUT_MS)
    if (answer === 'timeout' || 'ended' in answer) {
      await worker[Symbol.asyncDispose]()
      throw new Error(
        `the process for pictures did not start: ${answer === 'timeout' ? answer : answer.ended}`,
      )
    }
    worker.#yieldToOthers()
    return worker
  }

  get isAlive(): boolean {
    return this.#ended === undefined
  }

  /**
   * Decodes one picture. Not while another is being decoded.
   *
   * @throws ImageError; after `too_slow` and when the process broke down, {@link isAlive} is false
   */
  async process(request: ImageRequest, timeoutMs: number): Promise<ProcessedImage> {
    this.#process.send(request, () => {
      // A process that is gone tells so by its exit.
    })
    const answer = await this.#next(timeoutMs)
    if (answer === 'timeout') {
      await this[Symbol.asyncDispose]()
      throw new ImageError('too_slow', 'The picture takes too long to decode')
    }
    if ('ended' in answer) throw breakdown(answer)
    if ('failure' in answer) {
      const { reason, message, stripped } = answer.failure
      throw new ImageError(reason, message, stripped && { stripped })
    }
    if ('ready' in answer) throw new Error('the process for pictures answered out of turn')
    return answer.image
  }

  /** Kills the process, whatever it is doing, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isAlive) this.#process.kill('SIGKILL')
    await this.#exited
  }

  #next(timeoutMs: number): Promise<ImageAnswer | Ended | 'timeout'> {
    if (this.#ended) return Promise.resolve(this.#ended)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve('timeout'), timeoutMs)
      this.#waiting = (answer) => {
        clearTimeout(timer)
        resolve(answer)
      }
    })
  }

  #settle(answer: ImageAnswer | Ended): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.(answer)
  }

  /** On Linux each thread has its own priority, and decoders run in threads that are there already. */
  #yieldToOthers(): void {
    const pid = this.#process.pid!
    for (const thread of [pid, ...threadsOf(pid)]) {
      try {
        setPriority(thread, NICENESS)
      } catch {
        // It has ended already, which the next picture finds out, or the system knows no priorities.
      }
    }
  }
}

/** Numbers of a process's threads, where the system tells. Those that come later have the priority of the first. */
function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return []
  }
}

/** How the process came to its end: the name of a signal, or a code. */
interface Ended {
  readonly ended: string
}

/** SIGKILL that was not ours comes from the process itself or from the kernel, both for want of memory. */
function breakdown({ ended }: Ended): ImageError {
  const cause = new Error(`the process for pictures ended: ${ended}`)
  return ended === 'SIGKILL'
    ? new ImageError('too_large', 'The picture takes too much memory to decode', { cause })
    : new ImageError('broken', 'The picture cannot be decoded', { cause })
}
