import type { Context } from '#context'
import type { MessageContent } from '#events/events.ts'
import { findUserByName, foldCase } from '#features/accounts/index.ts'
import { accessChannel, listVisibleChannels, type ChannelSeen } from '#features/channels/index.ts'
import type { Db } from '#db/database.ts'
import type { Actor } from '#http/access.ts'
import { badRequest } from '#http/errors.ts'
import { isId } from '#lib/id.ts'
import { characterCount } from '#lib/text.ts'
import type { Blinder } from './blinder.ts'
import { contentKinds } from './content-kinds.ts'
import { formatPlace, parsePlace } from './cursor.ts'
import type { Expression, Phrase } from './expression.ts'
import { parseQuery, type Query, type Signed, type Term } from './query.ts'
import { countSent } from './store.ts'
import { wordsOf } from './words.ts'

const MAX_LIMIT = 50
const MAX_QUERY = 256
/** So few channels are always named in the query to the index; more only if little of all messages is in them. */
const FEW_CHANNELS = 8
const MANY_CHANNELS = 100
const LITTLE = 0.05

type Deps = Pick<Context, 'db' | 'messages' | 'search'>

export interface SearchRequest {
  readonly q: string
  readonly limit: number
  readonly cursor?: string | null | undefined
}

export interface SearchPage {
  /** Newest first. */
  readonly messages: readonly MessageContent[]
  readonly nextCursor: string | null
  /** Whether everything was searched: the index is not being made anew. */
  readonly complete: boolean
}

type Channel = Pick<ChannelSeen, 'id' | 'name_key' | 'last_seq'>

/** Searches all channels that the person may see. @throws HttpError 400, 503 */
export async function searchEverywhere(ctx: Deps, actor: Actor, request: SearchRequest): Promise<SearchPage> {
  const query = readRequest(request, 1)
  const channels = await listVisibleChannels(ctx.db.read, actor, { direct: true })
  return searchIn(ctx, actor, channels, { ...request, query })
}

/** Searches one channel. @throws HttpError 400, 404, 503 */
export async function searchChannel(
  ctx: Deps,
  actor: Actor,
  channelId: string,
  request: SearchRequest,
): Promise<SearchPage & { readonly channel: ChannelSeen }> {
  const query = readRequest(request, 2)
  const channel = await accessChannel(ctx.db.read, actor, channelId)
  return { ...(await searchIn(ctx, actor, [channel], { ...request, query })), channel }
}

function readRequest({ q, limit }: SearchRequest, shortest: number): Query {
  if (limit < 1 || limit > MAX_LIMIT) throw badRequest(`limit must be from 1 to ${MAX_LIMIT}`)
  const length = characterCount(q.trim())
  if (length < shortest || length > MAX_QUERY)
    throw badRequest(`q must have ${shortest} to ${MAX_QUERY} characters`)
  return parseQuery(q)
}

async function searchIn(
  ctx: Deps,
  actor: Actor,
  visible: readonly Channel[],
  { query, limit, cursor }: SearchRequest & { readonly query: Query },
): Promise<SearchPage> {
  const after = cursor ? parsePlace(cursor) : undefined
  if (cursor && !after) throw badRequest('The cursor is none of a search')
  const db = ctx.db.read
  const channels = channelsMeant(visible, query.in)
  const authors = await authorsMeant(db, actor, query.from)
  const complete = ctx.search.generation.completed_at !== null
  if (channels.length === 0 || authors.wanted?.length === 0)
    return { messages: [], nextCursor: null, complete }

  const express = await expressionOf(db, { query, channels, authors })
  const channelIds = channels.map(({ id }) => id)
  const { since, until } = query
  const found = await ctx.search.find(actor.userId, express, {
    channelIds,
    since,
    until,
    after,
    limit: limit + 1,
  })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return {
    messages: await ctx.messages.read(db, page),
    nextCursor:
      last && found.length > limit ? formatPlace({ sentAt: last.sent_at, messageId: last.id }) : null,
    complete,
  }
}

/** The channels to search. What the person may not see is as unknown as what does not exist. */
function channelsMeant(visible: readonly Channel[], named: Query['in']): readonly Channel[] {
  const isMeant = ({ id, name_key }: Channel, name: string): boolean =>
    id === name || name_key === foldCase(name)
  const wanted = named.filter(({ negated }) => !negated)
  return visible.filter(
    (channel) =>
      (wanted.length === 0 || wanted.some(({ name }) => isMeant(channel, name))) &&
      !named.some(({ name, negated }) => negated && isMeant(channel, name)),
  )
}

interface Authors {
  /** Undefined: anybody. */
  readonly wanted: readonly string[] | undefined
  readonly unwanted: readonly string[]
}

async function authorsMeant(db: Db, actor: Actor, named: Query['from']): Promise<Authors> {
  const wanted: string[] = []
  const unwanted: string[] = []
  for (const { name, negated } of named) {
    const id = await authorMeant(db, actor, name)
    if (id !== undefined) (negated ? unwanted : wanted).push(id)
  }
  return { wanted: named.some(({ negated }) => !negated) ? wanted : undefined, unwanted }
}

async function authorMeant(db: Db, actor: Actor, name: string): Promise<string | undefined> {
  if (name.toLowerCase() === 'me') return actor.userId
  return isId(name) ? name : (await findUserByName(db, foldCase(name)))?.id
}

/** What to ask the index, once it is known with which key. @throws HttpError 400 when there is nothing to look for */
async function expressionOf(
  db: Db,
  { query, channels, authors }: { query: Query; channels: readonly Channel[]; authors: Authors },
): Promise<(blinder: Blinder) => Expression> {
  const terms = query.terms.filter(({ text }) => wordsOf(text).inOrder.length > 0)
  for (const { name } of query.has) {
    if (!Object.hasOwn(contentKinds, name.toLowerCase()))
      throw badRequest(`has: takes one of ${Object.keys(contentKinds).join(', ')}`)
  }
  const isPositive = ({ negated }: Signed<object>): boolean => !negated
  const named = query.in.some(isPositive) || (await areFew(db, channels)) ? channels : []
  if (![...terms, ...query.has].some(isPositive) && !authors.wanted && named.length === 0)
    throw badRequest('There is nothing to search for: q needs a word, from:, in: or has:')

  return (blinder) => {
    const one = (token: string): Phrase => [token]
    const has = (negated: boolean): string[] =>
      query.has
        .filter((kind) => kind.negated === negated)
        .map(({ name }) => blinder.token('has', name.toLowerCase()))
    const author = (id: string): Phrase => one(blinder.token('author', id))
    return {
      all: [
        ...terms.filter(isPositive).map((term) => phrasesOf(blinder, term)),
        ...has(false).map((token) => [one(token)]),
        ...(authors.wanted ? [authors.wanted.map(author)] : []),
        ...(named.length > 0 ? [named.map(({ id }) => one(blinder.token('channel', id)))] : []),
      ],
      none: [
        ...terms.filter(({ negated }) => negated).flatMap((term) => phrasesOf(blinder, term)),
        ...has(true).map(one),
        ...authors.unwanted.map(author),
      ],
    }
  }
}

/** What satisfies a term: several words make a phrase; a single one may have other forms. */
function phrasesOf(blinder: Blinder, { text, exact }: Term): readonly Phrase[] {
  const { inOrder, characters } = wordsOf(text)
  const [first] = inOrder
  if (inOrder.length > 1) return [inOrder.map((word) => blinder.word(word).exact)]
  if (characters.has(first!)) return [[blinder.token('character', first!)]]
  return exact ? [[blinder.word(first!).exact]] : blinder.related(first!).map((token) => [token])
}

/**
 * Whether naming the channels in the query spares the index work. It must look at everything it finds for whether the
 * person may see it, which is much when they may see little.
 */
async function areFew(db: Db, channels: readonly Channel[]): Promise<boolean> {
  if (channels.length <= FEW_CHANNELS) return true
  if (channels.length > MANY_CHANNELS) return false
  const seen = channels.reduce((sum, { last_seq }) => sum + last_seq, 0)
  return seen < LITTLE * (await countSent(db))
}
