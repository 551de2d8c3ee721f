import type { Config } from '#config/schema.ts'
import { QueueFullError, Semaphore } from '#lib/semaphore.ts'
import { ImageError } from './image-error.ts'
import { ImageWorker } from './image-worker.ts'
import type { ImageLimits, ImageOptions, ProcessedImage } from './image.ts'

/** A process that decoded nothing for so long is ended; the next picture starts another in a third of a second. */
const IDLE_MS = 60_000

/**
 * Decodes pictures in processes of their own, which are started when they are first needed and ended when they take
 * too long or too much memory.
 */
export class Media implements AsyncDisposable {
  readonly #limits: ImageLimits
  readonly #timeoutMs: number
  readonly #idleMs: number
  readonly #turns: Semaphore
  readonly #idle = new Map<ImageWorker, NodeJS.Timeout>()
  readonly #all = new Set<ImageWorker>()
  readonly #onBreakdown: (error: Error) => void
  #closed = false

  /** @param onBreakdown told when a process ended by itself or did not start */
  constructor(
    config: Config['media'],
    onBreakdown: (error: Error) => void,
    { idleMs = IDLE_MS }: { idleMs?: number } = {},
  ) {
    this.#limits = {
      maxPixels: config.max_megapixels * 1e6,
      maxFrames: config.max_frames,
      maxMemory: config.memory_mb * 1024 * 1024,
    }
    this.#timeoutMs = config.timeout_seconds * 1000
    this.#idleMs = idleMs
    this.#turns = new Semaphore(config.processes, config.queue)
    this.#onBreakdown = onBreakdown
  }

  /** Processes that run at this moment. */
  get running(): number {
    return this.#all.size
  }

  /**
   * Makes a picture fit to be stored and shown: upright, within limits, without EXIF, XMP, IPTC, comments or anything
   * behind its end, and with thumbnails.
   *
   * @throws ImageError. `unsupported` means: keep it as a file that is only downloaded, as `stripped` if that is there
   */
  async processImage(bytes: Uint8Array, options: ImageOptions = {}): Promise<ProcessedImage> {
    try {
      return await this.#turns.run(() => this.#decode(bytes, options))
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error
      throw new ImageError('busy', 'Too many pictures are being sent; try again in a moment', {
        cause: error,
      })
    }
  }

  async #decode(bytes: Uint8Array, options: ImageOptions): Promise<ProcessedImage> {
    const worker = await this.#take()
    try {
      return await worker.process({ bytes, options, limits: this.#limits }, this.#timeoutMs)
    } catch (error) {
      const { cause } = error as Error
      if (cause instanceof Error) this.#onBreakdown(cause)
      throw error
    } finally {
      this.#giveBack(worker)
    }
  }

  async #take(): Promise<ImageWorker> {
    this.#refuseWhenClosed()
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer)
      this.#idle.delete(worker)
      if (worker.isAlive) return worker
      this.#all.delete(worker)
    }
    const worker = await this.#start()
    this.#all.add(worker)
    if (this.#closed) await this.#end(worker)
    this.#refuseWhenClosed()
    return worker
  }

  async #start(): Promise<ImageWorker> {
    try {
      return await ImageWorker.start()
    } catch (error) {
      this.#onBreakdown(error as Error)
      // Not `unsupported`: what is not decoded is not stripped, and must not be kept.
      throw new ImageError('busy', 'Pictures cannot be taken at the moment', { cause: error })
    }
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new ImageError('busy', 'The server is stopping')
  }

  #giveBack(worker: ImageWorker): void {
    if (!worker.isAlive || this.#closed) {
      void this.#end(worker)
      return
    }
    const timer = setTimeout(() => {
      this.#idle.delete(worker)
      void this.#end(worker)
    }, this.#idleMs)
    this.#idle.set(worker, timer.unref())
  }

  async #end(worker: ImageWorker): Promise<void> {
    await worker[Symbol.asyncDispose]()
    this.#all.delete(worker)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    for (const timer of this.#idle.values()) clearTimeout(timer)
    this.#idle.clear()
    await Promise.all([...this.#all].map((worker) => this.#end(worker)))
  }
}
