import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { call, type Answer } from '../support/api.ts'
import { expectHealthy } from '../support/healthy.ts'
import { Person } from '../support/people.ts'

/** Types that a browser would run or draw as a page. */
const ACTIVE = /html|svg|xml|javascript|ecmascript|x-shockwave|pdf/

async function attach(person: Person, channel: string, ...files: File[]): Promise<Answer> {
  return person.call('POST', `/api/v1/channels/${channel}/send_message`, { form: { attachments: files } })
}

async function serve(person: Person, url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return call('GET', url, { token: person.token, headers })
}

describe('files that are not what they say (CWE-434)', () => {
  const html = '<!doctype html><html><body><script>alert(1)</script></body></html>'
  const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
  const gifWithScript = `GIF89a/*${'\0'.repeat(20)}*/=1;alert(1)`
  const hostile: readonly [string, string, string][] = [
    ['page.html', 'text/html', html],
    ['page.png', 'image/png', html],
    ['image.svg', 'image/svg+xml', svg],
    ['image.jpg', 'image/jpeg', svg],
    ['script.js', 'text/javascript', 'alert(1)'],
    ['polyglot.gif', 'image/gif', gifWithScript],
    ['document.pdf', 'application/pdf', `%PDF-1.4\n${html}`],
    [
      'feed.xml',
      'text/xml',
      '<?xml version="1.0"?><x:script xmlns:x="http://www.w3.org/1999/xhtml">alert(1)</x:script>',
    ],
    ['archive.mht', 'message/rfc822', `MIME-Version: 1.0\nContent-Type: text/html\n\n${html}`],
  ]
  test.each(hostile)('%s as %s is never run by a browser', async (name, type, content) => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const sent = await attach(owner, channel, new File([content], name, { type }))
    if (sent.status !== 201) return expect([400, 413, 415, 422]).toContain(sent.status)
    const { headers } = await serve(owner, sent.body.attachments[0])
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toMatch(/sandbox/)
    const inline = headers.get('content-disposition')?.startsWith('attachment') !== true
    if (inline) expect(headers.get('content-type')).not.toMatch(ACTIVE)
  })

  test('names with paths, controls and line ends are only names [Synapse CVE-2021-41281]', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    for (const name of [
      '../../etc/passwd',
      '..\\..\\boot.ini',
      'a\r\nSet-Cookie: x=1',
      'x\u202egnp.exe',
      '.htaccess',
      'a\0b',
      '',
    ]) {
      const sent = await attach(owner, channel, new File(['x'], name || 'x', { type: 'text/plain' }))
      if (sent.status !== 201) continue
      const { status, headers } = await serve(owner, sent.body.attachments[0])
      expect(status).toBe(200)
      expect(headers.get('set-cookie')).toBeNull()
      const disposition = headers.get('content-disposition') ?? ''
      expect(disposition).not.toMatch(/\.\.[/\\]|[\r\n]|\u202e/)
    }
    await expectHealthy()
  })
})

describe('paths (CWE-22)', () => {
  test('out of the store lead nowhere, by any spelling', async () => {
    const owner = await Person.owner()
    const tries = [
      '../../../../etc/passwd',
      '..%2f..%2f..%2fetc%2fpasswd',
      '%2e%2e/%2e%2e/etc/passwd',
      '....//....//etc/passwd',
      '/etc/passwd',
      '%00',
      '..%5c..%5cboot.ini',
      '%252e%252e%252fetc%252fpasswd',
      'keys/master.key',
      '..%c0%af..%c0%afetc/passwd',
    ]
    for (const path of tries) {
      for (const base of ['/api/v1/cdn/file/', '/api/v1/storage/file/', '/storage/']) {
        const { status, text } = await call('GET', base + path, { token: owner.token })
        expect([400, 401, 403, 404], `${base}${path}`).toContain(status)
        expect(text).not.toContain('root:')
      }
      for (const route of ['file-info', 'delete-file']) {
        const { status } = await owner.call('POST', `/api/v1/storage/${route}`, { json: { file_url: path } })
        expect([400, 403, 404, 422], `${route} ${path}`).toContain(status)
      }
    }
  })
})

describe('files of others (CWE-639)', () => {
  test('are not had by their hash, nor told by whether an upload is a duplicate', async () => {
    const [owner, member, outsider] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const channel = await owner.createChannel({ private: true, members: [member] })
    const content = `a secret ${crypto.randomUUID()}`
    const sent = await attach(member, channel, new File([content], 'secret.txt', { type: 'text/plain' }))
    expect(sent.status, sent.text).toBe(201)
    const hash = createHash('sha256').update(content).digest('hex')
    expect([401, 403, 404]).toContain((await call('GET', `/storage/${hash}`)).status)
    expect([403, 404]).toContain((await outsider.call('GET', `/storage/${hash}`)).status)
    // Whoever sends the same content learns nothing of the other.
    const open = await owner.createChannel()
    const own = await attach(outsider, open, new File([content], 'mine.txt', { type: 'text/plain' }))
    expect([own.status, own.text]).toEqual([201, expect.not.stringMatching(/duplicate|existing/i)])
  })

  test('cannot be attached by their address [Mattermost CVE-2026-4265]', async () => {
    const [owner, member, outsider] = [await Person.owner(), await Person.signUp(), await Person.signUp()]
    const [hidden, open] = [
      await owner.createChannel({ private: true, members: [member] }),
      await owner.createChannel(),
    ]
    const sent = await attach(member, hidden, new File(['a secret'], 'secret.txt', { type: 'text/plain' }))
    const url = sent.body.attachments[0] as string
    const taken = await outsider.call('POST', `/api/v1/channels/${open}/send_message`, {
      json: { message: 'look', attachments: [url], file_ids: [url.split('/').at(-1)?.split('?')[0]] },
    })
    const served = await serve(outsider, new URL(url, 'http://x').pathname)
    expect([403, 404]).toContain(served.status)
    if (taken.status === 201) expect(taken.text).not.toContain('secret.txt')
  })

  test('are gone with their message', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const sent = await attach(owner, channel, new File(['gone soon'], 'x.txt', { type: 'text/plain' }))
    const url = sent.body.attachments[0] as string
    expect((await serve(owner, url)).status).toBe(200)
    await owner.call('DELETE', `/api/v1/channels/${channel}/delete_message`, {
      query: { message_id: sent.body.message_id },
    })
    expect([403, 404, 410]).toContain((await serve(owner, url)).status)
  })
})

describe('pictures that cost (CWE-400)', () => {
  test('a small file that says it has billions of pixels is refused soon [pixel bomb]', async () => {
    const person = await Person.signUp()
    const started = performance.now()
    const { status } = await person.call('POST', '/api/v1/users/profile/avatar', {
      form: { file: new File([pngOf(60_000, 60_000)], 'bomb.png', { type: 'image/png' }) },
    })
    expect([400, 413, 422]).toContain(status)
    expect(performance.now() - started).toBeLessThan(10_000)
    await expectHealthy()
  })

  test('ranges without end, overlapping or reversed are answered exactly or refused', async () => {
    const owner = await Person.owner()
    const channel = await owner.createChannel()
    const sent = await attach(owner, channel, new File(['0123456789'], 'x.txt', { type: 'text/plain' }))
    const url = sent.body.attachments[0] as string
    const many = Array.from({ length: 1000 }, () => '0-9').join(',')
    for (const range of [
      `bytes=${many}`,
      'bytes=9-0',
      'bytes=-0',
      'bytes=99999999999999999999-',
      'bytes=0-0,1-1,2-2',
      'bytes=a-b',
      'lines=1-2',
      'bytes=',
    ]) {
      const { status, bytes } = await serve(owner, url, { range })
      expect([200, 206, 416], range.slice(0, 40)).toContain(status)
      expect(bytes.length, range.slice(0, 40)).toBeLessThan(10_000)
    }
  })
})

/** A PNG whose header says how large it is, and which has nothing of it. */
function pngOf(width: number, height: number): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(25)
  header.writeUInt32BE(13, 0)
  header.write('IHDR', 4, 'latin1')
  header.writeUInt32BE(width, 8)
  header.writeUInt32BE(height, 12)
  header.set([8, 6, 0, 0, 0], 16)
  header.writeUInt32BE(crc32(header.subarray(4, 21)), 21)
  return Uint8Array.from(Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), header]))
}
