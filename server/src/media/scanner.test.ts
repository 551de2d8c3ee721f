import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Scanner, ScannerError } from './scanner.ts'

const EICAR = String.raw`X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

/** A daemon that speaks `INSTREAM` as clamd(8) describes it, and finds EICAR's test file. */
async function startClamd(
  behaviour: 'scans' | 'is silent' | 'hangs up' | 'takes 100 KiB' = 'scans',
  path?: string,
) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    if (behaviour === 'hangs up') socket.destroy()
    if (behaviour === 'is silent') socket.resume()
    if (behaviour === 'scans' || behaviour === 'takes 100 KiB') {
      void serve(socket, behaviour === 'scans' ? Infinity : 100 * 1024)
    }
  })
  server.listen(path ?? { port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  return {
    address: path ? `unix:${path}` : `tcp:127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

async function serve(socket: Socket, limit: number): Promise<void> {
  let received = Buffer.alloc(0)
  let content = Buffer.alloc(0)
  let command: string | undefined
  for await (const part of socket) {
    received = Buffer.concat([received, part as Buffer])
    if (command === undefined) {
      const end = received.indexOf(0)
      if (end < 0) continue
      command = received.toString('latin1', 0, end)
      received = received.subarray(end + 1)
      if (command !== 'zINSTREAM') return void socket.end('UNKNOWN COMMAND\0')
    }
    while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
      const length = received.readUInt32BE(0)
      content = Buffer.concat([content, received.subarray(4, 4 + length)])
      received = received.subarray(4 + length)
      if (content.length > limit) return void socket.end('INSTREAM size limit exceeded. ERROR\0')
      if (length > 0) continue
      socket.end(content.includes(EICAR) ? 'stream: Eicar-Test-Signature FOUND\0' : 'stream: OK\0')
      return
    }
  }
}

const scannerFor = (address: string, more: { required?: boolean; timeout?: number } = {}) => {
  const failures: Error[] = []
  const config = {
    clamav: address,
    clamav_required: more.required ?? true,
    clamav_timeout_seconds: more.timeout ?? 5,
  }
  return { failures, scanner: new Scanner(config, (error) => failures.push(error)) }
}
const megabytes = (count: number): Buffer[] =>
  Array.from({ length: count }, () => Buffer.alloc(1024 * 1024, 1))

test('a clean file is clean, an infected one is named', async () => {
  await using clamd = await startClamd()
  const { scanner } = scannerFor(clamd.address)
  expect(await scanner.scan([Buffer.from('hello'), Buffer.from(' world')])).toEqual({ result: 'clean' })
  expect(await scanner.scan([Buffer.from(EICAR)])).toEqual({
    result: 'infected',
    signature: 'Eicar-Test-Signature',
  })
  expect(await scanner.scan([])).toEqual({ result: 'clean' })
  // Cut between two chunks, and among much else.
  const halves = [Buffer.from(EICAR.slice(0, 30)), Buffer.from(EICAR.slice(30))]
  expect(await scanner.scan([...megabytes(3), ...halves])).toMatchObject({ result: 'infected' })
})

test('over a unix socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-clamd-'))
  {
    await using clamd = await startClamd('scans', join(folder, 'clamd.ctl'))
    const { scanner } = scannerFor(clamd.address)
    expect(await scanner.scan([Buffer.from(EICAR)])).toMatchObject({ result: 'infected' })
  }
  rmSync(folder, { recursive: true })
})

describe('a file that cannot be scanned is refused, or passes if the operator says so', () => {
  const troubles = {
    'no daemon': { address: 'tcp:127.0.0.1:1' },
    'a daemon that hangs up': { behaviour: 'hangs up' },
    'a daemon that takes less': { behaviour: 'takes 100 KiB' },
    'a daemon that says nothing': { behaviour: 'is silent' },
  } as const
  test.each(Object.entries(troubles))('%s', async (_, trouble) => {
    await using clamd = await startClamd('behaviour' in trouble ? trouble.behaviour : 'scans')
    const address = 'address' in trouble ? trouble.address : clamd.address
    const strict = scannerFor(address, { timeout: 0.1 })
    await expect(strict.scanner.scan(megabytes(4))).rejects.toThrow(ScannerError)
    const lenient = scannerFor(address, { timeout: 0.1, required: false })
    expect(await lenient.scanner.scan(megabytes(4))).toEqual({ result: 'unscanned' })
    expect([strict.failures.length, lenient.failures.length]).toEqual([1, 1])
  })

  test('a file that cannot be read is no fault of the daemon', async () => {
    await using clamd = await startClamd()
    const { scanner } = scannerFor(clamd.address)
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a')
      throw new Error('disk')
    }
    await expect(scanner.scan(broken())).rejects.toMatchObject({ cause: { message: 'disk' } })
  })
})

test('without an address nothing is asked', async () => {
  const { scanner, failures } = scannerFor('')
  expect(scanner.isConfigured).toBe(false)
  expect(await scanner.scan([Buffer.from(EICAR)])).toEqual({ result: 'unscanned' })
  expect(failures).toEqual([])
})
