import { Resolver } from 'node:dns/promises'
import { EgressFailedError } from './errors.ts'

/** All addresses of a name. @throws EgressFailedError when there is none */
export type Resolve = (hostname: string) => Promise<readonly string[]>

const resolver = new Resolver({ timeout: 2000, tries: 2 })

/**
 * Asks the name servers directly. `getaddrinfo`, which would also read `/etc/hosts`, takes a thread of the pool that
 * hashes passwords, for as long as a stranger's name server likes.
 */
export const resolveByDns: Resolve = async (hostname) => {
  if (hostname === 'localhost') return ['127.0.0.1']
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)])
  const found = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  if (found.length > 0) return found
  const cause: unknown = v4.status === 'rejected' ? v4.reason : undefined
  throw new EgressFailedError('the host has no address', { cause })
}
