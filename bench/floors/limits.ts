// PufferBlow itself, with or without its rate limits: what they cost is the difference.
// node limits.ts <folder> with|without
import { startServer } from '#app'
import { loadConfig } from '#config/load.ts'
import { createContext, type Context } from '#context'
import { changeSettings } from '#features/instance/index.ts'
import { createLog } from '#log/log.ts'

const [folder, kind] = process.argv.slice(2)
const env = {
  PUFFERBLOW_HOST: '127.0.0.1',
  PUFFERBLOW_PORT: '0',
  PUFFERBLOW_ACCOUNTS_ACCESS_TOKEN_MINUTES: '1440',
}
const { config } = loadConfig({ env, dataDir: folder })
const log = createLog({ level: 'warn', format: 'json' })
const ctx = await createContext({ config, log, role: 'server' })
// No load reaches the limits; what is measured is the counting.
await changeSettings(ctx, { max_rate_limit_requests: 10_000_000 })
const free = { headers: {}, error: undefined }
const unlimited = {
  refusal: () => undefined,
  count: () => free,
  countOnly: () => ({}),
  attempt: async () => async () => {},
  admitsFrame: () => true,
  forgive: async () => {},
} satisfies Record<keyof Context['limiter'], unknown>
const server = await startServer(kind === 'with' ? ctx : { ...ctx, limiter: unlimited as never }, {
  originIsDefault: true,
})
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`)
