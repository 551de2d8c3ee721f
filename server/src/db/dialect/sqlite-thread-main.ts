import { parentPort, workerData } from 'node:worker_threads'
import { openReader, openWriter } from './sqlite-connection.ts'
import type { ThreadAnswer, ThreadOptions, ThreadRequest } from './sqlite-thread.ts'

// A thread that owns a connection: runs what it is told, in order, and answers each request, as many at once as were asked.
const port = parentPort!
const { role, ...options } = workerData as ThreadOptions
const connection = role === 'writer' ? openWriter(options) : openReader(options)

port.on('message', (requests: readonly ThreadRequest[]) => {
  const closing = requests.findIndex(({ close }) => close)
  const answers = (closing === -1 ? requests : requests.slice(0, closing)).map(perform)
  if (answers.length > 0) port.postMessage(answers)
  if (closing === -1) return
  connection[Symbol.dispose]()
  port.close()
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
