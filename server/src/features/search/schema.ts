import { z } from 'zod'
import { Message } from '#features/messages/index.ts'

const query = z
  .string()
  .max(1000)
  .meta({
    description:
      'Words and `"phrases"`, all of which must be there. `from:` a user, `in:` a channel, `has:` one of `link`, ' +
      '`file`, `image`, `video`, `audio`; `before:`, `after:` or `on:` a date; `-` before any but the dates excludes.',
    example: 'meeting "next tuesday" from:johndoe -in:random after:2026-01',
  })
const limit = z.int().default(20).meta({ description: '1 to 50.' })
const cursor = z
  .string()
  .max(100)
  .nullish()
  .meta({ description: 'The `next_cursor` of the page before, for the same `q`.' })

export const SearchInput = z.object({ q: query, limit, cursor })

export const ChannelSearchInput = z.object({
  q: query,
  limit,
  scan_limit: z
    .int()
    .default(1000)
    .meta({ description: '1 to 5000. Accepted for old clients; the whole history is searched.' }),
  cursor,
})

const page = {
  status_code: z.literal(200),
  messages: z.array(Message).meta({ description: 'Newest first.' }),
  query: z.string(),
  next_cursor: z.string().nullable().meta({ description: '`null` when there is nothing more.' }),
}

export const SearchAnswer = z.object({
  ...page,
  complete: z
    .boolean()
    .meta({ description: 'False while the index is being made anew and older messages may be missing.' }),
})

export const ChannelSearchAnswer = z.object({
  ...page,
  scanned: z.int().meta({ description: 'How many messages the channel has had: all were searched.' }),
  truncated_scan: z
    .boolean()
    .meta({ description: 'True while the index is being made anew and older messages may be missing.' }),
})
