import { parentPort, workerData } from 'node:worker_threads'
import { openWriter, type SqliteOptions } from './sqlite-connection.ts'
import type { WriterAnswer, WriterRequest } from './sqlite-writer.ts'

// The thread that owns the writing connection: runs what it is told, in order, and answers each request.
const port = parentPort!
const connection = openWriter(workerData as SqliteOptions)

port.on('message', (request: WriterRequest) => {
  if (request.close) {
    connection[Symbol.dispose]()
    port.close()
    return
  }
  port.postMessage(perform(request))
})

function perform({ sql, parameters, inTransaction }: WriterRequest): WriterAnswer {
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
