import { writeFileSync } from 'node:fs'
import { confineDecoders, decodeImage } from './image-decoder.ts'
import { ImageError } from './image-error.ts'
import type { ImageAnswer, ImageRequest } from './image-worker.ts'

// The process in which pictures are decoded. It knows no secrets, has one picture at a time, and may be killed.

const MEMORY_CHECK_MS = 20

try {
  // When memory runs out, the kernel should end this process and not the server.
  writeFileSync('/proc/self/oom_score_adj', '1000')
} catch {
  // Not Linux, or not allowed.
}
confineDecoders()

process.on('disconnect', () => process.exit(0))
process.on('message', (request: ImageRequest) => {
  void answer(request).then((result) => process.send!(result))
})
process.send!({ ready: true } satisfies ImageAnswer)

async function answer({ bytes, options, limits }: ImageRequest): Promise<ImageAnswer> {
  // Decoders run in other threads, so this one is free to look. Nothing less than SIGKILL ends a decoder.
  const watch = setInterval(() => {
    if (process.memoryUsage.rss() > limits.maxMemory) process.kill(process.pid, 'SIGKILL')
  }, MEMORY_CHECK_MS)
  try {
    return { image: await decodeImage(bytes, options, limits) }
  } catch (error) {
    const failure = error instanceof ImageError ? error : new ImageError('broken', 'The picture is damaged')
    return { failure: { reason: failure.reason, message: failure.message, stripped: failure.stripped } }
  } finally {
    clearInterval(watch)
  }
}
