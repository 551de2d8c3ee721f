import type { Context } from '#context'
import { Cluster } from './cluster.ts'

/**
 * Joins the other processes of this server, over Redis if there is one. On SQLite there are none.
 *
 * @throws DatabaseUnavailableError
 */
export async function openCluster(ctx: Context): Promise<Cluster | undefined> {
  if (ctx.db.dialect === 'sqlite') return undefined
  const { url } = ctx.config.redis
  if (url === '') return Cluster.open(ctx, undefined)
  const { RedisLink } = await import('./redis-link.ts')
  const channel = `pufferblow:${ctx.instance.serverId}:events`
  return Cluster.open(ctx, (listener) => new RedisLink({ url, channel, log: ctx.log, ...listener }))
}
