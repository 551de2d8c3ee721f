import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { request, type Reachable } from './http.ts'
import { Secrets } from './secrets.ts'
import type { Place } from './server.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/pufferblow.js', import.meta.url))
const START_MS = 60_000

export interface ProgramOptions {
  /** Environment variables, without the prefix. */
  readonly env?: Readonly<Record<string, string>>
  /** Run in a shell that becomes the program, to set limits of the operating system before. */
  readonly prelude?: string
  /** Of the program that ran here before, so that its tokens are looked for in the log as well. */
  readonly secrets?: Secrets
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** The program did not get as far as serving. */
export class NotStartedError extends Error {
  readonly exit: Exit
  readonly output: string

  constructor(exit: Exit, output: string) {
    super(`the program ended with ${exit.code ?? exit.signal}: ${output}`)
    this.exit = exit
    this.output = output
  }
}

/** The real program as a process of its own, to be killed. Its origin stays, so tokens outlive a restart. */
export class Program implements AsyncDisposable {
  readonly url: string
  readonly running: Reachable['running']
  readonly secrets: Secrets
  readonly pid: number
  readonly exited: Promise<Exit>
  readonly #child: ChildProcess
  readonly #lines: string[]

  private constructor(
    started: Started,
    facts: { url: string; openApi: object; secrets: Secrets; exited: Promise<Exit> },
  ) {
    this.#child = started.child
    this.#lines = started.lines
    this.pid = started.child.pid!
    this.url = facts.url
    this.running = { openApi: () => facts.openApi }
    this.secrets = facts.secrets
    this.exited = facts.exited
  }

  /** @throws NotStartedError */
  static async start(place: Place, options: ProgramOptions = {}): Promise<Program> {
    const started = launch(place, options)
    const exited = new Promise<Exit>((resolve) =>
      started.child.once('close', (code, signal) => resolve({ code, signal })),
    )
    const url = await Promise.race([started.url, exited.then((exit) => ({ exit }))])
    if (typeof url !== 'string') throw new NotStartedError(url.exit, started.lines.join('\n'))
    const document = await request({ url, running: { openApi: () => ({}) } }, 'GET', '/openapi.json', {
      undescribed: true,
    })
    const secrets = options.secrets ?? new Secrets()
    return new Program(started, { url, openApi: document.body as object, secrets, exited })
  }

  /** Ends the process at once, as a power cut would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.exited
  }

  /** Asks the program to stop. */
  async terminate(): Promise<Exit> {
    this.#child.kill('SIGTERM')
    return this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    expect(this.secrets.foundIn(this.#lines.join('\n')), 'secrets in the log').toEqual([])
  }
}

interface Started {
  readonly child: ChildProcess
  readonly lines: string[]
  readonly url: Promise<string>
}

function launch(place: Place, { env = {}, prelude }: ProgramOptions): Started {
  const command = [process.execPath, PROGRAM, 'serve']
  const [file, ...args] =
    prelude === undefined ? command : ['sh', '-c', `${prelude}; exec "$@"`, 'sh', ...command]
  const child = spawn(file!, args, {
    env: {
      ...(process.env['PATH'] !== undefined && { PATH: process.env['PATH'] }),
      PUFFERBLOW_DATA_DIR: place.dataDir,
      PUFFERBLOW_PORT: '0',
      PUFFERBLOW_PUBLIC_ORIGIN: 'https://chat.example',
      PUFFERBLOW_LOG_FORMAT: 'json',
      PUFFERBLOW_LOG_LEVEL: 'debug',
      ...place.env,
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [`PUFFERBLOW_${name}`, value])),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const url = new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`the program was not ready in time: ${lines.join('\n')}`))
    }, START_MS)
    child.once('close', () => clearTimeout(timer))
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        lines.push(line)
        if (!line.includes('PufferBlow is ready')) return
        clearTimeout(timer)
        resolve((JSON.parse(line) as { url: string }).url)
      })
    }
  })
  return { child, lines, url }
}
