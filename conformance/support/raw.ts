import { connect, type Socket } from 'node:net'
import { baseUrl } from './api.ts'

/** A bare connection to the server under test. */
export function dial(): Socket {
  const { hostname, port } = new URL(baseUrl())
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  return socket
}

/**
 * Writes bytes as they are and reads until the server closes the connection.
 *
 * @returns what it said, and whether it closed in time
 */
export function exchange(
  bytes: string | Uint8Array,
  timeoutMs = 10_000,
): Promise<{ said: string; closed: boolean }> {
  const socket = dial()
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const finish = (closed: boolean): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ said: Buffer.concat(chunks).toString('latin1'), closed })
    }
    const timer = setTimeout(() => finish(false), timeoutMs)
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk))
    socket.on('close', () => finish(true))
    socket.write(bytes)
  })
}

/** Statuses of all HTTP answers in what a connection said. */
export function statusesIn(said: string): number[] {
  return [...said.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))
}
