// Preloaded into a program under test: its clock is off by the milliseconds in a file, which is read again at SIGUSR2.
import { readFileSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const now = Date.now
let offset = 0
const read = () => {
  const file = process.env['WANDERING_CLOCK']
  offset = Number(readFileSync(file, 'utf8'))
  writeFileSync(`${file}.seen`, String(offset))
}
if (isMainThread && process.env['WANDERING_CLOCK']) {
  read()
  process.on('SIGUSR2', read)
  Date.now = () => now() + offset
}
