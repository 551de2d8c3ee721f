import { HttpConnection, requestBytes } from './http-connection.ts'
import type { Program } from './program.ts'
import { createChannel, signUp } from './pufferblow.ts'
import { Swarm } from './swarm.ts'

/** A server with a crowd of sockets on it, and one person who talks to them. */
export interface Broadcast extends AsyncDisposable {
  readonly server: Program
  readonly swarm: Swarm
  /** Resolves when the server has answered; the sockets may not have it yet. */
  readonly say: (text: string) => Promise<void>
}

/** PufferBlow with `sockets` on its global stream, spread over `people`. */
export async function broadcastOfOurs(
  server: Program,
  { people, sockets }: { people: number; sockets: number },
): Promise<Broadcast> {
  const accounts = await signUp(server.url, people)
  const channelId = await createChannel(server.url, accounts[0]!)
  const tokens = accounts.map(({ token }) => token)
  await using resources = new AsyncDisposableStack()
  const swarm = resources.use(await Swarm.open(server.url, tokens, sockets))
  const sender = resources.use(await HttpConnection.open(server.url))
  const path = `/api/v1/channels/${channelId}/send_message`
  const say = async (text: string): Promise<void> => {
    const body = JSON.stringify({ message: text })
    const status = await sender.request(requestBytes(server.url, 'POST', path, { token: tokens[0]!, body }))
    if (status !== 201) throw new Error(`a message was answered with ${status}`)
  }
  const kept = resources.move()
  return { server, swarm, say, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** A bare `ws` server with `sockets`, which sends them what it is told. @param frame makes a frame around a text */
export async function broadcastOfFloor(
  server: Program,
  { sockets, frame }: { sockets: number; frame: (text: string) => string },
): Promise<Broadcast> {
  await using resources = new AsyncDisposableStack()
  const swarm = resources.use(await Swarm.open(server.url, ['none'], sockets))
  const sender = resources.use(await HttpConnection.open(server.url))
  const say = async (text: string): Promise<void> => {
    const status = await sender.request(requestBytes(server.url, 'POST', '/', { body: frame(text) }))
    if (status !== 200) throw new Error(`a broadcast was answered with ${status}`)
  }
  const kept = resources.move()
  return { server, swarm, say, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** Frames of the same size as a real one: the real one, with another text in it. */
export function framesLike(sample: string, text: string): (text: string) => string {
  const [before, after, ...rest] = sample.split(JSON.stringify(text).slice(1, -1))
  if (before === undefined || after === undefined || rest.length > 0) {
    throw new Error('the text is not found once in the sample frame')
  }
  return (other) => `${before}${other}${after}`
}
