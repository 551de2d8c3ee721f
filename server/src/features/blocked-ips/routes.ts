import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { messageAnswer } from '#http/schemas.ts'
import { isoTimeOrNull } from '#lib/clock.ts'
import { cleanText } from '#lib/text.ts'
import { blockIp, unblockIp } from './block.ts'
import { BlockedIpList, BlockIpAnswer, BlockIpInput, UnblockIpInput } from './schema.ts'
import { listBlockedIps } from './store.ts'
import { blockedIpToWire } from './wire.ts'

const tag = 'Server administration'

export function blockedIpRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/blocked-ips/list',
      tag,
      summary: 'List blocked addresses, newest first',
      access: 'manage_blocked_ips',
      bucket: 'default',
      answers: { 200: BlockedIpList },
    },
    async () => {
      await ctx.blockedIps.flush()
      return { blocked_ips: (await listBlockedIps(ctx.db.read, ctx.clock())).map(blockedIpToWire) }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/blocked-ips/block',
      tag,
      summary: 'Block an address or a network, at once and on open sockets too',
      description:
        "Trusted proxies, the server's own machine and the caller's own address cannot be blocked.",
      access: 'manage_blocked_ips',
      bucket: 'default',
      input: BlockIpInput,
      answers: { 201: BlockIpAnswer },
      errors: [409],
    },
    async ({ actor, input, request }) => {
      const reason = cleanText(input.reason)
      const { network, expiresAt } = await blockIp(
        ctx,
        { actor, client: request.client },
        { ip: input.ip, reason, durationMinutes: input.duration_minutes },
      )
      const message = `IP ${network} has been blocked`
      return { message, reason, ip: network, expires_at: isoTimeOrNull(expiresAt) }
    },
  )

  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/blocked-ips/unblock',
      tag,
      summary: 'Lift a block',
      access: 'manage_blocked_ips',
      bucket: 'default',
      input: UnblockIpInput,
      answers: { 200: messageAnswer(200, 'IP 192.0.2.7 has been unblocked') },
    },
    async ({ actor, input }) => ({
      message: `IP ${await unblockIp(ctx, actor.userId, input.ip)} has been unblocked`,
    }),
  )
}
