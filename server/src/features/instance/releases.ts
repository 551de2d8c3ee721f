import { z } from 'zod'
import type { Context } from '#context'
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

export const Release = z.object({
  version: z.string(),
  tag_name: z.string(),
  name: z.string(),
  url: z.string(),
  html_url: z.string(),
  published_at: IsoTime.nullable(),
  body: z.string().meta({ description: `At most ${MAX_BODY} characters.` }),
})

/** The newest release as far as it is known, and why it is not. */
export interface KnownRelease {
  readonly release: z.output<typeof Release> | null
  readonly message?: string
}

type Deps = Pick<Context, 'config' | 'clock' | 'egress' | 'log'>

/** The newest release of this program, if the operator says where to ask. Nobody is asked more than once an hour. */
export class Releases {
  readonly #deps: Deps
  #known: { until: number; answer: Promise<KnownRelease> } | undefined

  constructor(deps: Deps) {
    this.#deps = deps
  }

  latest(): Promise<KnownRelease> {
    const { config, clock } = this.#deps
    const { url } = config.releases
    if (url === '')
      return Promise.resolve({ release: null, message: 'This server does not look for releases' })
    const now = clock()
    if (this.#known && this.#known.until > now) return this.#known.answer
    const entry = { until: now + FRESH_MS, answer: this.#ask(url, this.#known?.answer) }
    void entry.answer.then(({ message }) => {
      if (message !== undefined) entry.until = Math.min(entry.until, now + FAILED_MS)
    })
    this.#known = entry
    return entry.answer
  }

  /** @param last what was known before, which is better than nothing */
  async #ask(url: string, last: Promise<KnownRelease> | undefined): Promise<KnownRelease> {
    const { egress, log } = this.#deps
    try {
      const headers = () => ({ accept: 'application/json' })
      const { status, body } = await egress.request({ method: 'GET', url, headers, redirects: 3 })
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
      log.warn({ err: error }, 'the newest release could not be found out')
      const release = (await last)?.release ?? null
      return { release, message: 'The newest release could not be found out' }
    }
  }
}

/**
 * Whether a version is newer than another, by their numbers (https://semver.org/#spec-item-11). What comes after the
 * numbers, such as `-rc.1`, makes a version older than the one without.
 */
export function isNewer(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)]
  if (!a || !b) return false
  for (let at = 0; at < 3; at++) {
    const difference = a.numbers[at]! - b.numbers[at]!
    if (difference !== 0) return difference > 0
  }
  return b.isEarly && !a.isEarly
}

function partsOf(version: string): { numbers: readonly number[]; isEarly: boolean } | undefined {
  const [, major, minor = '0', patch = '0', early] =
    /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[^+]+)?(?:\+.*)?$/.exec(version) ?? []
  if (major === undefined) return undefined
  return { numbers: [major, minor, patch].map(Number), isEarly: early !== undefined }
}
