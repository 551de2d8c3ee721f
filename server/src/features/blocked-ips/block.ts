import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import type { Actor } from '#http/access.ts'
import type { Client } from '#http/client-address.ts'
import { badRequest, conflict, invalidField } from '#http/errors.ts'
import { contains, formatNetwork, isLoopback, parseNetwork, type Network } from '#lib/ip.ts'
import { deleteAllBlockedIps, deleteBlockedIp, insertBlockedIp } from './store.ts'

/** Blocks that there may be at a time, so that a list of them can be looked through, and kept in memory. */
const MAX_BLOCKS = 10_000
/** Nobody blocks a part of the Internet this large on purpose. */
const LEAST_PREFIX = { 4: 8, 6: 16 } as const
const MINUTE = 60_000

type Deps = Pick<Context, 'db' | 'clock' | 'clients' | 'blockedIps' | 'limiter'>

/** Who asks, and from where. The operator of the machine is nobody, from nowhere. */
export interface Asker {
  readonly actor: Actor
  readonly client: Client
}

export interface BlockInput {
  readonly ip: string
  readonly reason: string
  readonly durationMinutes?: number | null | undefined
}

/**
 * Blocks an address or network for good or for some time. It is in force when this returns.
 *
 * @returns the one spelling of what was blocked, and until when
 * @throws HttpError 400 when it is blocked already or must not be, 409 when there are too many, 422
 */
export async function blockIp(
  ctx: Deps,
  asker: Asker | undefined,
  { ip, reason, durationMinutes }: BlockInput,
): Promise<{ network: string; expiresAt: number | null }> {
  const network = networkOfInput(ip)
  refuseForbidden(ctx, network, asker?.client)
  if (ctx.blockedIps.size >= MAX_BLOCKS) throw conflict(`There are ${MAX_BLOCKS} blocked addresses already`)
  const text = formatNetwork(network)
  const expiresAt = durationMinutes ? ctx.clock() + durationMinutes * MINUTE : null
  const actorId = asker?.actor.userId ?? null
  if (!(await store(ctx, { network: text, reason, expiresAt, actorId, automatic: false }))) {
    throw badRequest(`${text} is blocked already`)
  }
  return { network: text, expiresAt }
}

/**
 * Blocks the address of a client that nothing else stops, for a while. Spared are proxies, this machine, and
 * addresses at which somebody is who could lift the block: whoever floods beside them must not lock them out.
 *
 * @returns whether it was done
 */
export async function blockAutomatically(
  ctx: Pick<Context, 'db' | 'clock' | 'blockedIps' | 'settings' | 'limiter'>,
  client: Client,
): Promise<boolean> {
  if (client.guarded || ctx.blockedIps.isSpared(client) || ctx.blockedIps.size >= MAX_BLOCKS) return false
  const expiresAt = ctx.clock() + ctx.settings.current.rate_limit_block_minutes * MINUTE
  const block = {
    network: client.key,
    reason: 'Too many requests',
    expiresAt,
    actorId: null,
    automatic: true,
  }
  const done = await store(ctx, block)
  // When the time is over the address begins afresh.
  await ctx.limiter.forgive(client.network)
  return done
}

/**
 * Lifts a block. Requests are let in when this returns.
 *
 * @returns the one spelling of what is not blocked any more
 * @throws HttpError 400 when it is not blocked, 422
 */
export async function unblockIp(ctx: Deps, actorId: string | null, ip: string): Promise<string> {
  const network = networkOfInput(ip)
  const text = formatNetwork(network)
  const existed = await ctx.db.transact(async (tx) => {
    const at = ctx.clock()
    if (!(await deleteBlockedIp(tx, text, at))) return false
    recordAudit(tx, { actorId, action: 'address.unblocked', targetType: 'address', targetId: text, at })
    tx.publish({ type: 'address.unblocked', network: text })
    return true
  })
  if (!existed) throw badRequest(`${text} is not blocked`)
  await ctx.limiter.forgive(network)
  return text
}

/** Lifts all blocks. @returns how many there were */
export async function unblockAll(ctx: Pick<Context, 'db' | 'clock'>): Promise<number> {
  return ctx.db.transact(async (tx) => {
    const count = await deleteAllBlockedIps(tx)
    const details = { count }
    const at = ctx.clock()
    recordAudit(tx, {
      actorId: null,
      action: 'address.unblocked',
      targetType: 'address',
      targetId: '*',
      details,
      at,
    })
    tx.publish({ type: 'address.unblocked', network: null })
    return count
  })
}

/** @returns false if the network is blocked already */
function store(
  ctx: Pick<Context, 'db' | 'clock'>,
  block: {
    network: string
    reason: string
    expiresAt: number | null
    actorId: string | null
    automatic: boolean
  },
): Promise<boolean> {
  const { network, reason, expiresAt, actorId, automatic } = block
  return ctx.db.transact(async (tx) => {
    const at = ctx.clock()
    const inserted = await insertBlockedIp(tx, {
      network,
      reason,
      blocked_at: at,
      blocked_by: actorId,
      automatic: automatic ? 1 : 0,
      expires_at: expiresAt,
      attempts: 0,
      last_attempt_at: null,
    })
    if (!inserted) return false
    const details = { reason, automatic, expires_at: expiresAt }
    recordAudit(tx, {
      actorId,
      action: 'address.blocked',
      targetType: 'address',
      targetId: network,
      details,
      at,
    })
    tx.publish({ type: 'address.blocked', network, expiresAt })
    return true
  })
}

function networkOfInput(ip: string): Network {
  const network = parseNetwork(ip.trim())
  if (network) return network
  throw invalidField(['body', 'ip'], 'must be an IP address or a block such as 192.0.2.0/24', 'value_error')
}

/** @throws HttpError 400 for what would lock out the wrong people */
function refuseForbidden({ clients }: Pick<Context, 'clients'>, network: Network, client?: Client): void {
  if (isLoopback(network)) throw badRequest('This machine itself cannot be blocked')
  if (clients.isProxy(network))
    throw badRequest('A trusted proxy cannot be blocked: everybody behind it would be')
  if (client && contains(network, client.address)) throw badRequest('This is your own address')
  const least = LEAST_PREFIX[network.family]
  if (network.prefix < least) throw badRequest(`At most a /${least} can be blocked`)
}
