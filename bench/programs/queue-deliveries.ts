// Leaves deliveries to peers waiting in the database of a server that does not run.
// node queue-deliveries.ts <data folder> <public origin> <deliveries> <inbox> …
import { loadConfig } from '#config/load.ts'
import { createContext } from '#context'
import { enqueueDelivery } from '#features/federation/delivery/enqueue.ts'
import { createLog } from '#log/log.ts'

const [dataDir, origin, count, ...inboxes] = process.argv.slice(2)
const { config } = loadConfig({ env: { PUFFERBLOW_PUBLIC_ORIGIN: origin! }, dataDir: dataDir! })
const log = createLog({ level: 'error', format: 'json', destination: { write: () => undefined } })
await using ctx = await createContext({ config, log, role: 'server' })
const sender = await ctx.db.read.selectFrom('user').select('id').executeTakeFirstOrThrow()
await ctx.federation.keys.of(sender.id)
const BATCH = 500
for (let from = 0; from < Number(count); from += BATCH) {
  await ctx.db.transact(async (tx) => {
    for (let index = from; index < Math.min(from + BATCH, Number(count)); index++) {
      const inbox = inboxes[index % inboxes.length]!
      enqueueDelivery(ctx, tx, {
        senderId: sender.id,
        inbox,
        lane: `lane ${index % 1000}`,
        activity: {
          id: `${origin}/ap/activities/${crypto.randomUUID()}`,
          type: 'Create',
          content: 'x'.repeat(600),
        },
      })
    }
  })
}
console.log(JSON.stringify({ url: origin }))
