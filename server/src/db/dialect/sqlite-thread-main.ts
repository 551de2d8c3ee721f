import { parentPort, workerData } from 'node:worker_threads'
import { openReader, openWriter } from './sqlite-connection.ts'
import type { ThreadAnswer, ThreadOptions, ThreadRequest } from './sqlite-thread.ts'

// A thread that owns a connection: runs what it is told, in order, and answers each request.
const port = parentPort!
const { role, ...options } = workerData as ThreadOptions
const connection = role === 'writer' ? openWriter(options) : openReader(options)

port.on('message', (request: ThreadRequest) => {
  if (request.close) {
    connection[Symbol.dispose]()
    port.close()
    return
  }
  port.postMessage(perform(request))
})

function perform({ sql, parameters, inTransaction }: ThreadRequest): ThreadAnswer {
  if (inTransaction && !connection.inTransaction) {
    const message = 'the transaction is over'
    return { error: { message, code: undefined, errcode: undefined, inTransaction: false } }
  }
  try {
    return connection.run(sql, parameters)
  } catch (error) {
    const { message, code, errcode } = error as Error & { code?: string; errcode?: number }
    return { error: { message, code, errcode, inTransaction: connection.inTransaction } }
  }
}
