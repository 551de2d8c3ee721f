import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { expect, inject, test } from 'vitest'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { startS3 } from '#test/s3.ts'
import { newPlace, startServer } from '#test/server.ts'

const MB = 1024 * 1024
/** Far more than may be held, little enough for a test. */
const SIZE = 120 * MB
const GROWTH = 64 * MB

// The database has no part in it, so one is enough.
test.skipIf(process.platform !== 'linux' || inject('database') === 'postgres').each(['disk', 's3'] as const)(
  'a large file passes through without gathering in memory, up and down, on %s',
  async (kind) => {
    await using s3 = await startS3()
    await using place = await newPlace()
    {
      await using server = await startServer({ place })
      await server.ctx.db.transact(async (tx) => {
        for (const key of ['max_file_size', 'max_attachments_size']) {
          await tx.insertInto('server_setting').values({ key, value: '1000', updated_at: 0 }).execute()
        }
      })
    }
    await using program = await Program.start(place, { env: kind === 's3' ? s3.env : {} })
    const owner = await Person.signUp(program, 'owner')
    const path = `/api/v1/channels/${await owner.createChannel('general')}/send_message`
    const send = (bytes: number): Promise<string> => upload(program.url, path, owner.token, bytes)
    // What is loaded when it is first needed does not count.
    expect(await download(program.url, await send(8 * MB))).toBe(8 * MB)
    let url = ''
    expect(await growth(program, async () => (url = await send(SIZE)))).toBeLessThan(GROWTH)
    expect(
      await growth(program, async () => expect(await download(program.url, url)).toBe(SIZE)),
    ).toBeLessThan(GROWTH)
  },
)

/** By how much a process grows, at its largest, while something is done. */
async function growth({ pid }: Program, work: () => Promise<unknown>): Promise<number> {
  const resident = (): number =>
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1]) * 1024
  const before = resident()
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, resident())), 10)
  await work()
  clearInterval(timer)
  return peak - before
}

/** Sends a file that is made as it goes. @returns its address */
function upload(url: string, path: string, token: string, bytes: number): Promise<string> {
  const head = '--b\r\nContent-Disposition: form-data; name="attachments"; filename="big.bin"\r\n\r\n'
  const tail = '\r\n--b--\r\n'
  return new Promise((resolve, reject) => {
    const request = httpRequest(new URL(path, url), {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'multipart/form-data; boundary=b',
        'content-length': head.length + bytes + tail.length,
      },
    })
    request.on('error', reject)
    request.on('response', (response) => {
      let text = ''
      response.on('data', (part) => (text += String(part)))
      response.on('end', () => {
        if (response.statusCode !== 201) return reject(new Error(text))
        const body = JSON.parse(text) as { message_data: { attachments: string[] } }
        resolve(body.message_data.attachments[0]!)
      })
    })
    const block = Buffer.alloc(MB, 7)
    let left = bytes
    const go = (): void => {
      while (left > 0) {
        left -= block.length
        if (!request.write(block)) return void request.once('drain', go)
      }
      request.end(tail)
    }
    request.write(head)
    go()
  })
}

/** @returns how many bytes came */
function download(url: string, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    httpRequest(new URL(path, url), (response) => {
      let bytes = 0
      response.on('data', (part: Buffer) => (bytes += part.length))
      response.on('end', () => resolve(bytes))
    })
      .on('error', reject)
      .end()
  })
}
