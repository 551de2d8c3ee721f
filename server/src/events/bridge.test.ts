import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newId } from '#lib/id.ts'
import { EventRelay, isListening, listenForCommands } from './bridge.ts'
import { Bus } from './bus.ts'
import type { DomainEvent } from './events.ts'

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-bridge-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function newBus(): { bus: Bus; events: DomainEvent[] } {
  const bus = new Bus((error) => {
    throw error
  })
  const events: DomainEvent[] = []
  bus.subscribe(({ event }) => void events.push(event))
  return { bus, events }
}

/** The server's side: what reached its bus, and what went wrong. */
async function listen(dataDir: string) {
  const { bus, events } = newBus()
  const errors: unknown[] = []
  const listener = await listenForCommands({ dataDir, bus, onError: (error) => void errors.push(error) })
  return { events, errors, [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose]() }
}

/** Tells a server these events as a command would. @returns how many could not be told */
async function tell(dataDir: string, events: readonly DomainEvent[]): Promise<number> {
  const { bus } = newBus()
  await using relay = new EventRelay({ dataDir, bus })
  for (const event of events) bus.publish({ event })
  return await relay.settled()
}

/** Writes to the socket as it is. @returns all that came back until the server closed */
function write(dataDir: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection(join(dataDir, 'run/events.sock'))
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk) => (answer += String(chunk)))
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
    socket.write(text)
  })
}

const userId = newId()

test('what a command publishes reaches the bus of the server, in order, before the command goes on', async () => {
  const dataDir = newFolder()
  await using server = await listen(dataDir)
  const events: DomainEvent[] = [
    { type: 'user.changed', userId, roles: ['admin'] },
    { type: 'user.changed', userId, roles: ['user'] },
    { type: 'user.changed', userId },
    { type: 'session.ended', userId, sessionIds: [newId()] },
    { type: 'settings.changed' },
  ]
  expect(await tell(dataDir, events)).toBe(0)
  expect(server.events).toEqual(events)
  expect(server.errors).toEqual([])
})

test('thousands of sessions that end together are told in parts', async () => {
  const dataDir = newFolder()
  await using server = await listen(dataDir)
  const sessionIds = Array.from({ length: 2500 }, () => newId())
  expect(await tell(dataDir, [{ type: 'session.ended', userId, sessionIds }])).toBe(0)
  const told = server.events.flatMap((event) => (event.type === 'session.ended' ? event.sessionIds : []))
  expect(server.events).toHaveLength(3)
  expect(told).toEqual(sessionIds)
})

test('where nobody listens the command learns so, and events that no server needs are not told', async () => {
  const dataDir = newFolder()
  expect(await tell(dataDir, [{ type: 'user.changed', userId }])).toBe(1)
  expect(await tell(dataDir, [{ type: 'channel.deleted', channelId: newId() }])).toBe(0)
})

test.each([
  ['no JSON', 'nonsense'],
  ['another type', JSON.stringify({ type: 'channel.deleted', channelId: userId })],
  ['a field too many', JSON.stringify({ type: 'user.changed', userId, admin: true })],
  ['something other than an id', JSON.stringify({ type: 'session.ended', userId, sessionIds: ['*'] })],
  ['a line without end', 'x'.repeat(70_000)],
])('%s closes the connection and publishes nothing; others go on', async (_what, line) => {
  const dataDir = newFolder()
  await using server = await listen(dataDir)
  const good = JSON.stringify({ type: 'user.changed', userId })
  expect(await write(dataDir, `${good}\n${line}\n${good}\n`)).toMatch(/^(ok\n)?$/)
  expect(server.events.length).toBeLessThanOrEqual(1)
  expect(server.errors).toHaveLength(1)
  expect(await tell(dataDir, [{ type: 'user.changed', userId }])).toBe(0)
})

test('the socket is private, and gone when the server has stopped', async () => {
  const dataDir = newFolder()
  mkdirSync(join(dataDir, 'run'))
  chmodSync(join(dataDir, 'run'), 0o755)
  {
    await using _server = await listen(dataDir)
    expect(statSync(join(dataDir, 'run')).mode & 0o777).toBe(0o700)
    expect(statSync(join(dataDir, 'run/events.sock')).mode & 0o777).toBe(0o600)
    expect(await isListening(dataDir)).toBe(true)
  }
  expect(existsSync(join(dataDir, 'run/events.sock'))).toBe(false)
  expect(await isListening(dataDir)).toBe(false)
})

test('a socket that a killed server left is replaced, one in use is not', async () => {
  const dataDir = newFolder()
  const file = join(dataDir, 'run/events.sock')
  mkdirSync(join(dataDir, 'run'))
  leaveSocket(file)
  expect(existsSync(file)).toBe(true)
  await using first = await listen(dataDir)
  await using second = await listen(dataDir)
  expect(second.errors).toHaveLength(1)
  expect(await tell(dataDir, [{ type: 'user.changed', userId }])).toBe(0)
  expect(first.events).toHaveLength(1)
  expect(second.events).toEqual([])
})

test('a folder too deep for a socket does not stop the server', async () => {
  const dataDir = join(newFolder(), 'x'.repeat(120))
  mkdirSync(dataDir)
  await using server = await listen(dataDir)
  expect(server.errors).toHaveLength(1)
  expect(await tell(dataDir, [{ type: 'user.changed', userId }])).toBe(1)
})

/** Node removes the file of a socket that it closes; a killed process does not. */
function leaveSocket(file: string): void {
  const program = `require('net').createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
}
