import { generateKeyPairSync } from 'node:crypto'
import { keyPair } from './key-pairs.ts'
import type { Person } from './person.ts'
import { startServer, type TestServer, type TestServerOptions } from './server.ts'

const ed25519 = generateKeyPairSync('ed25519')

/** A server that talks to peers on this machine. Its own key is at hand, which saves making one. */
export async function startFederated(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer({ ...options, env: { FEDERATION_ALLOW_PRIVATE: '1', ...options.env } })
  await giveKeys(server, server.ctx.instance.serverId)
  return server
}

/** Somebody whose keys are at hand. */
export async function federatedPerson(server: TestServer, name: string): Promise<Person> {
  const person = await server.person(name)
  await giveKeys(server, person.id)
  return person
}

function giveKeys(server: TestServer, ownerId: string): Promise<void> {
  return server.ctx.federation.keys.adopt(ownerId, { rsa: keyPair('ours'), ed25519 })
}
