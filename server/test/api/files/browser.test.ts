import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { describe, expect, inject, test } from 'vitest'
import { hasBrowser, openBrowser } from '#test/browser.ts'
import { sentFiles } from '#test/files.ts'
import { startServer } from '#test/server.ts'
import { webm } from '#test/webm.ts'

const COLOURS = [
  [200, 0, 0],
  [0, 200, 0],
  [0, 0, 200],
  [200, 200, 0],
  [0, 200, 200],
  [200, 0, 200],
  [200, 200, 200],
  [20, 20, 20],
]
const SIZE = { width: 160, height: 120 }

/** Calls a function of `media-page.js` in the page. */
function inPage<T>(page: Page, name: string, argument: unknown): Promise<T> {
  return page.evaluate<T>(`window.media.${name}(${JSON.stringify(argument)})`)
}

// A browser costs seconds, and what it is sent is the same on both databases.
describe.runIf(hasBrowser && inject('database') === 'sqlite')('Chromium', () => {
  test('plays a video and jumps in it, and shows pictures, by all that is sent with them', async () => {
    await using server = await startServer()
    const ann = await server.person('ann')
    const channel = await ann.createChannel('general', { private: true })
    await using browser = await openBrowser()
    const page = await browser.newPage()
    await page.goto(`${server.url}/healthz`)
    await page.addScriptTag({ path: fileURLToPath(new URL('../../support/media-page.js', import.meta.url)) })

    const made = await inPage<{ time: number; isKey: boolean; data: string }[]>(page, 'encode', {
      colours: COLOURS,
      framesPerSecond: 5,
      ...SIZE,
    })
    const frames = made.map((frame) => ({ ...frame, data: Buffer.from(frame.data, 'base64') }))
    const durationMs = COLOURS.length * 1000
    const video = webm(frames, { ...SIZE, durationMs, padding: 1024 * 1024 })
    const picture = await sharp({ create: { width: 900, height: 600, channels: 3, background: 'teal' } })
      .jpeg()
      .toBuffer()
    const page1 = Buffer.from('<!doctype html><title>ran</title><script>document.title = "ran"</script>')
    const message = await sentFiles(ann, channel, [
      new File([new Uint8Array(video)], 'film.webm'),
      new File([new Uint8Array(picture)], 'photo.jpg'),
      new File([new Uint8Array(page1)], 'page.html'),
    ])
    const [filmLink, photoLink, pageLink] = message.attachments as [string, string, string]

    const answers: { url: string; status: number; headers: Record<string, string> }[] = []
    page.on('response', (answer) =>
      answers.push({ url: answer.url(), status: answer.status(), headers: answer.headers() }),
    )
    for (const path of ['/api/v1/cdn/file/', '/api/v1/storage/file/']) {
      const at = (link: string): string => server.url + link.replace('/api/v1/cdn/file/', path)
      answers.length = 0
      expect(await inPage(page, 'open', at(filmLink))).toBeCloseTo(durationMs / 1000, 1)
      for (const second of [6, 1, 5]) {
        const colour = await inPage<number[]>(page, 'seek', second + 0.5)
        for (const [index, part] of colour.entries())
          expect(Math.abs(part - COLOURS[second]![index]!), `${second} s: ${colour.join(' ')}`).toBeLessThan(
            80,
          )
      }
      await inPage(page, 'play', 0.5)
      // It jumped by fetching a part, not by loading all that is before it.
      const parts = answers.map(({ headers }) =>
        Number(/^bytes (\d+)-/.exec(headers['content-range'] ?? '')?.[1]),
      )
      expect(Math.max(...parts)).toBeGreaterThan(5 * 1024 * 1024)

      expect(await inPage(page, 'show', at(photoLink))).toEqual([900, 600])
      for (const { status, headers } of answers) {
        expect([200, 206]).toContain(status)
        expect(headers).toMatchObject({
          'x-content-type-options': 'nosniff',
          'content-security-policy': "sandbox; default-src 'none'",
          'cache-control': 'private, no-cache',
        })
      }
    }

    // As a page of its own, too; and what could run does not become one.
    await page.goto(server.url + photoLink)
    expect(await page.evaluate('document.images[0].naturalWidth')).toBe(900)
    await expect(page.goto(server.url + pageLink)).rejects.toThrow(/download/i)
    expect(await page.title()).not.toBe('ran')
  })
})

test.runIf(!hasBrowser && inject('database') === 'sqlite')(
  'SKIPPED: there is no Chromium, so no browser has shown a file (apt-get install chromium)',
  ({ skip }) => {
    skip()
    expect.unreachable()
  },
)
