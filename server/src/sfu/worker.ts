import { parentPort, workerData } from 'node:worker_threads'
import { MediaServer } from './media-server.ts'
import type { MediaSettings, SfuCommand } from './messages.ts'

/*
 * The thread of the media server. Nothing but messages comes in and goes out, so that a crash here is one of media
 * alone, and a busy main thread is not heard.
 */
const port = parentPort!
const server = new MediaServer(workerData as MediaSettings, (event) => port.postMessage(event))

port.on('message', (command: SfuCommand) => {
  if (command.type !== 'stop') return server.take(command)
  void server[Symbol.asyncDispose]().then(() => port.close())
})

try {
  await server.start()
} catch (error) {
  port.postMessage({ type: 'unavailable', reason: (error as NodeJS.ErrnoException).code ?? String(error) })
  port.close()
}
