import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { isId } from '#lib/id.ts'
import type { Bus } from './bus.ts'
import type { DomainEvent, TransientEvent } from './events.ts'

/*
 * The way from a command to the server that runs beside it: a socket in the data folder, which nobody but the
 * owner of the folder can reach. Each line is an event that the command has committed, as JSON; the server
 * publishes it on its own bus, so that caches forget and sockets close at once, and answers `ok`. A line that is
 * anything else closes the connection. Windows has no such sockets, there nothing is told.
 */

const ANSWER = 'ok\n'
const MAX_LINE = 64 * 1024
const IDLE_MS = 30_000
const ANSWER_MS = 5000
/** Keeps a line of ids below its bound. */
const IDS_PER_LINE = 1000
const supported = process.platform !== 'win32'

const Id = z.string().refine(isId)

const Restriction = z.strictObject({
  reason: z.string().max(2000).nullable(),
  at: z.number(),
  until: z.number().nullable(),
})

/** What a command may tell. Everything else is of no use to a server, or would be a way around its rules. */
const Told = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('session.ended'),
    userId: Id,
    sessionIds: z.array(Id).max(IDS_PER_LINE),
  }),
  z.strictObject({
    type: z.literal('user.changed'),
    userId: Id,
    roles: z.array(z.string().min(1).max(64)).max(64).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('user.restricted'),
    userId: Id,
    ban: Restriction.nullable(),
    timeout: Restriction.nullable(),
  }),
  z.strictObject({
    type: z.literal('address.blocked'),
    network: z.string().max(64),
    expiresAt: z.int().nullable(),
  }),
  z.strictObject({ type: z.literal('address.unblocked'), network: z.string().max(64).nullable() }),
  z.strictObject({ type: z.literal('settings.changed') }),
  z.strictObject({ type: z.literal('keys.replaced') }),
  z.strictObject({ type: z.literal('peer_rules.changed') }),
  z.strictObject({ type: z.literal('federation_keys.changed') }),
  z.strictObject({ type: z.literal('search.changed') }),
  z.strictObject({ type: z.literal('jobs.enqueued') }),
]) satisfies z.ZodType<TransientEvent>

interface Way {
  readonly dataDir: string
  readonly bus: Bus
}

function socketFile(dataDir: string): string {
  return join(dataDir, 'run', 'events.sock')
}

/**
 * Listens for commands until it is disposed of. A server that cannot do so still serves.
 *
 * @param onError told of what went wrong; never fatal
 */
export async function listenForCommands({
  dataDir,
  bus,
  onError,
}: Way & { readonly onError: (error: unknown) => void }): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)))
    receive(socket, bus, onError)
  })
  server.maxConnections = 32
  try {
    if (supported) await listen(server, dataDir)
  } catch (cause) {
    onError(
      new Error('commands cannot reach this server: it only learns of what they change later', { cause }),
    )
  }
  server.on('error', onError)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function listen(server: Server, dataDir: string): Promise<void> {
  const file = socketFile(dataDir)
  const folder = join(dataDir, 'run')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  chmodSync(folder, 0o700)
  try {
    await listenAt(server, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    // Left by a server that was killed, unless somebody answers.
    if (await isListening(dataDir)) throw error
    rmSync(file, { force: true })
    await listenAt(server, file)
  }
  chmodSync(file, 0o600)
}

function listenAt(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(file, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function receive(socket: Socket, bus: Bus, onError: (error: unknown) => void): void {
  let rest = ''
  socket.setEncoding('utf8')
  socket.setTimeout(IDLE_MS, () => socket.destroy())
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop()!
    try {
      if (Math.max(rest.length, ...lines.map((line) => line.length)) > MAX_LINE) throw new Error('too long')
      for (const line of lines) {
        bus.publish({ event: Told.parse(JSON.parse(line)) })
        socket.write(ANSWER)
      }
    } catch (cause) {
      onError(new Error('a command sent something other than an event', { cause }))
      socket.destroy()
    }
  })
}

/** Whether a server of this data folder listens for commands. */
export function isListening(dataDir: string): Promise<boolean> {
  if (!supported) return Promise.resolve(false)
  return new Promise((resolve) => {
    const socket = createConnection(socketFile(dataDir))
    const finish = (listens: boolean): void => {
      socket.destroy()
      resolve(listens)
    }
    socket.once('connect', () => finish(true))
    socket.once('error', () => finish(false))
  })
}

/** Carries what a command publishes on its bus to the server of the same data folder, in order. */
export class EventRelay implements AsyncDisposable {
  readonly #file: string
  readonly #unsubscribe: () => void
  #undelivered = 0
  #sending: Promise<void> = Promise.resolve()

  constructor({ dataDir, bus }: Way) {
    this.#file = socketFile(dataDir)
    this.#unsubscribe = bus.subscribe(({ event }) => {
      for (const line of linesOf(event)) this.#sending = this.#sending.then(() => this.#send(line))
    })
  }

  /** Waits until all that was published has been told, or could not be. @returns how many lines could not */
  async settled(): Promise<number> {
    await this.#sending
    return this.#undelivered
  }

  async #send(line: string): Promise<void> {
    if (!supported || !(await deliver(this.#file, line))) this.#undelivered++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe()
    await this.#sending
  }
}

function linesOf(event: DomainEvent): string[] {
  if (event.type !== 'session.ended') return Told.safeParse(event).success ? [JSON.stringify(event)] : []
  const lines: string[] = []
  for (let from = 0; from < event.sessionIds.length; from += IDS_PER_LINE) {
    const sessionIds = event.sessionIds.slice(from, from + IDS_PER_LINE)
    lines.push(JSON.stringify({ ...event, sessionIds }))
  }
  return lines
}

/** @returns whether a server took the line */
function deliver(file: string, line: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(file)
    let answer = ''
    const finish = (taken: boolean): void => {
      socket.destroy()
      resolve(taken)
    }
    socket.setEncoding('utf8')
    socket.setTimeout(ANSWER_MS, () => finish(false))
    socket.once('connect', () => socket.write(`${line}\n`))
    socket.once('error', () => finish(false))
    socket.once('close', () => finish(false))
    socket.on('data', (chunk) => {
      answer += String(chunk)
      if (answer.length >= ANSWER.length) finish(answer === ANSWER)
    })
  })
}
