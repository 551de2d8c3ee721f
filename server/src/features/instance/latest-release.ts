import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { IsoTime } from '#http/schemas.ts'
import { isoTime } from '#lib/clock.ts'
import { parseIsoTime } from '#lib/iso-time.ts'

const FRESH_MS = 3600 * 1000
const FAILED_MS = 10 * 60 * 1000
const MAX_BODY = 500

/** What a release page in the form of GitHub's API has. */
const Published = z.object({
  tag_name: z.string().min(1).max(100),
  name: z.string().max(300).nullish(),
  html_url: z.url({ protocol: /^https$/ }),
  published_at: z.string().nullish(),
  body: z.string().nullish(),
})

const Release = z.object({
  version: z.string(),
  tag_name: z.string(),
  name: z.string(),
  url: z.string(),
  html_url: z.string(),
  published_at: IsoTime.nullable(),
  body: z.string().meta({ description: `At most ${MAX_BODY} characters.` }),
})

type Known = { release: z.output<typeof Release> | null; message?: string }

/** The newest release, if the operator says where to ask. Nobody is asked more than once an hour. */
export function latestReleaseRoutes(api: Api, ctx: Context): void {
  let known: { until: number; answer: Promise<Known> } | undefined
  api.endpoint(
    {
      method: 'GET',
      path: '/api/v1/system/latest-release',
      tag: 'General',
      summary: 'The newest release of this program',
      description: 'Null unless `releases.url` is set and answers.',
      access: 'public',
      bucket: 'default',
      answers: {
        200: z.object({
          status_code: z.literal(200),
          release: Release.nullable(),
          message: z.string().optional().meta({ description: 'Why there is none.' }),
        }),
      },
    },
    () => {
      const { url } = ctx.config.releases
      if (url === '') return { release: null, message: 'This server does not look for releases' }
      const now = ctx.clock()
      if (!known || known.until <= now) {
        const last = known?.answer
        const entry = { until: now + FRESH_MS, answer: ask(ctx, url, last) }
        void entry.answer.then((answer) => {
          if (answer.message !== undefined) entry.until = Math.min(entry.until, now + FAILED_MS)
        })
        known = entry
      }
      return known.answer
    },
  )
}

/** @param last what was known before, which is better than nothing */
async function ask(ctx: Context, url: string, last: Promise<Known> | undefined): Promise<Known> {
  try {
    const headers = () => ({ accept: 'application/json' })
    const { status, body } = await ctx.egress.request({ method: 'GET', url, headers, redirects: 3 })
    if (status !== 200) throw new Error(`it answered ${status}`)
    const found = Published.parse(JSON.parse(body.toString('utf8')))
    const publishedAt = parseIsoTime(found.published_at ?? '')
    return {
      release: {
        version: found.tag_name,
        tag_name: found.tag_name,
        name: found.name || found.tag_name,
        url: found.html_url,
        html_url: found.html_url,
        published_at: publishedAt === undefined ? null : isoTime(publishedAt),
        body: (found.body ?? '').slice(0, MAX_BODY),
      },
    }
  } catch (error) {
    ctx.log.warn({ err: error }, 'the newest release could not be found out')
    const release = (await last)?.release ?? null
    return { release, message: 'The newest release could not be found out' }
  }
}
