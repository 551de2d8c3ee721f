import { z } from 'zod'
import type { Context } from '#context'
import { recordAudit } from '#features/audit/index.ts'
import { recordActivityOnce } from '#features/stats/index.ts'
import type { Actor } from '#http/access.ts'
import type { Api } from '#http/endpoint.ts'
import { forbidden } from '#http/errors.ts'
import { isOwner } from '#lib/permission.ts'
import { logLevels } from '#log/tail.ts'

/** Control panels ask every few seconds: that somebody reads the log is noted once in so long. */
const NOTED_MS = 3600 * 1000

const LogInput = z.object({
  lines: z.int().min(1).max(1000).default(50),
  search: z.string().max(200).nullish().meta({ description: 'Lines that contain this, in any case.' }),
  level: z
    .preprocess(
      (level) => (typeof level === 'string' ? (ALIASES[level.toLowerCase()] ?? level.toLowerCase()) : level),
      z.enum(logLevels),
    )
    .nullish()
    .meta({ description: 'Lines of this level or above.' }),
})

/** What other programs call levels. */
const ALIASES: Readonly<Record<string, (typeof logLevels)[number] | undefined>> = {
  warning: 'warn',
  critical: 'fatal',
}

const LogPage = z.object({
  status_code: z.literal(200),
  logs: z
    .array(
      z.object({
        content: z
          .string()
          .meta({ description: 'For people.', example: '2026-03-01T10:00:00.000Z INFO stopping' }),
        raw: z.string().meta({ description: 'As it was logged: JSON.' }),
      }),
    )
    .meta({ description: 'Newest first.' }),
  total_lines: z.int().meta({ description: 'How many lines are remembered.' }),
  filtered: z.boolean(),
  log_file: z.null().meta({ description: 'The log goes to standard output.' }),
  note: z.string(),
})

/** The newest lines of the log, for owners who cannot look at the machine. */
export function logRoutes(api: Api, ctx: Context): void {
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/logs',
      tag: 'Server administration',
      summary: 'The newest lines of the log',
      description:
        'For owners. Lines are those of the process that answers, since it started, without secrets, as `log.level` ' +
        'has them. That somebody reads them stands in the audit log, once an hour.',
      access: 'user',
      bucket: 'default',
      input: LogInput,
      answers: { 200: LogPage },
      errors: [403],
    },
    async ({ actor, input }) => {
      if (!isOwner(actor)) throw forbidden('The log is for owners')
      await noteReader(ctx, actor)
      const search = input.search?.trim() || undefined
      const level = input.level ?? undefined
      const { lines, total } = ctx.logTail.read({ lines: input.lines, search, level })
      return {
        logs: lines.map((raw) => ({ content: forPeople(raw), raw })),
        total_lines: total,
        filtered: search !== undefined || level !== undefined,
        log_file: null,
        note: 'The newest lines of this process. Older ones are where the operator sends its output.',
      }
    },
  )
}

async function noteReader(ctx: Context, { userId }: Actor): Promise<void> {
  await ctx.db.transact(async (tx) => {
    const at = ctx.clock()
    const isNew = await recordActivityOnce(tx, { type: 'logs_viewed', userId, at }, at - NOTED_MS)
    if (!isNew) return
    recordAudit(tx, { actorId: userId, action: 'logs.viewed', targetType: 'server', targetId: 'server', at })
  })
}

interface LogLine {
  readonly time: string
  readonly level: string
  readonly msg?: string
  readonly [field: string]: unknown
}

function forPeople(line: string): string {
  const { time, level, msg = '', ...fields } = JSON.parse(line) as LogLine
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`)
  return `${time} ${level.toUpperCase()} ${msg}${rest.join('')}`
}
