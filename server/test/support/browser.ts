import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { Person } from './person.ts'

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
)

/** Whether there is a browser to test with. Debian's is installed by `.ci/run`. */
export const hasBrowser = CHROMIUM !== undefined

const SAMPLE_RATE = 48_000

/** A real browser. To be used where {@link hasBrowser}. */
export function openBrowser(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required', ...args],
  })
}

/** A real browser whose microphone picks up a steady tone. */
export class ToneBrowser implements AsyncDisposable {
  readonly #browser: Browser
  readonly #folder: string

  private constructor(browser: Browser, folder: string) {
    this.#browser = browser
    this.#folder = folder
  }

  /** @param hertz of the tone */
  static async launch(hertz: number): Promise<ToneBrowser> {
    const folder = mkdtempSync(join(tmpdir(), 'pufferblow-tone-'))
    const file = join(folder, 'tone.wav')
    writeFileSync(file, tone(hertz))
    const browser = await openBrowser([
      '--use-fake-ui-for-media-stream',
      '--use-fake-device-for-media-stream',
      `--use-file-for-fake-audio-capture=${file}`,
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ])
    return new ToneBrowser(browser, folder)
  }

  /** A page that joins the channel as somebody, by REST and the signalling socket. */
  async join(
    person: Person,
    channel: string,
    options: { slots?: number; tcp?: boolean } = {},
  ): Promise<VoicePage> {
    const page = await this.#browser.newPage()
    // Any page of the server itself will do: a browser lets it use the microphone, and call the server.
    await page.goto(`${person.server.url}/healthz`)
    await page.addScriptTag({ path: fileURLToPath(new URL('voice-page.js', import.meta.url)) })
    const given = { origin: person.server.url, token: person.token, channel, ...options }
    const secrets = await page.evaluate<string[]>(`window.voice.join(${JSON.stringify(given)})`)
    for (const secret of secrets) person.server.secrets.add(secret)
    return new VoicePage(page)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** A page in which somebody is in a voice channel. What it says is worked out in the page. */
export class VoicePage {
  readonly #page: Page

  constructor(page: Page) {
    this.#page = page
  }

  /** Resolves when somebody is heard with a tone of about `hertz`. */
  hears(userId: string, hertz: number): Promise<void> {
    return this.#until('hears', userId, hertz)
  }

  /** Resolves when nothing of somebody is heard any more. */
  silent(userId: string): Promise<void> {
    return this.#until('isSilent', userId)
  }

  /** Waits for a frame of the signalling socket. */
  frame(type: string, userId?: string): Promise<void> {
    return this.#until('got', type, userId ?? '')
  }

  /** How the browser's connection goes: `udp` or `tcp`. */
  protocol(): Promise<string> {
    return this.#page.evaluate<string>('window.voice.protocol()')
  }

  async #until(name: string, ...values: (string | number)[]): Promise<void> {
    const call = `window.voice.${name}(...${JSON.stringify(values)})`
    await this.#page.waitForFunction(call, undefined, { timeout: 30_000, polling: 20 })
  }
}

/** A second of a sine wave, which the browser plays over and over. */
function tone(hertz: number): Buffer {
  const samples = SAMPLE_RATE * 2
  const file = Buffer.alloc(44 + samples * 2)
  file.write('RIFF', 0)
  file.writeUInt32LE(36 + samples * 2, 4)
  file.write('WAVEfmt ', 8)
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(SAMPLE_RATE, 24)
  file.writeUInt32LE(SAMPLE_RATE * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36)
  file.writeUInt32LE(samples * 2, 40)
  for (let i = 0; i < samples; i++)
    file.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE)), 44 + 2 * i)
  return file
}
