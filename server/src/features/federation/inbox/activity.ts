import {
  idOf,
  JsonError,
  listOf,
  originOf,
  parseObject,
  stringOf,
  typeAmong,
  type JsonObject,
} from '../json.ts'

/** Activities that do something here. Whatever else comes is taken and forgotten. */
const TYPES = new Set([
  'Follow',
  'Accept',
  'Reject',
  'Undo',
  'Create',
  'Update',
  'Delete',
  'Block',
  'Move',
  'Read',
] as const)

export type ActivityType = typeof TYPES extends Set<infer T> ? T : never

/** An activity of which nothing has been believed yet. */
export interface Activity {
  readonly id: string
  /** Undefined: a type that we have no use for. */
  readonly type: ActivityType | undefined
  readonly statedType: string
  readonly actor: string
  readonly object: unknown
  readonly document: JsonObject
}

const MAX_ID = 2048

/** @throws JsonError */
export function parseActivity(body: Uint8Array): Activity {
  const document = parseObject(body)
  const actor = idOf(document['actor'])
  const id = stringOf(document['id'])
  const statedType = stringOf(listOf(document['type'])[0])
  if (!statedType || statedType.length > 200) throw new JsonError('the activity has no type')
  if (!actor || actor.length > MAX_ID) throw new JsonError('the activity has no actor')
  if (!id || id.length > MAX_ID) throw new JsonError('the activity has no id')
  return { id, type: typeAmong(document, TYPES), statedType, actor, object: document['object'], document }
}

/**
 * Whether actor, activity and key are of one server: what one server says about another's people is worth nothing.
 *
 * @returns the `host[:port]` of that server, undefined if it is not one
 */
export function commonHost(
  { actor, id }: Activity,
  keyId: string,
  { allowHttp }: { allowHttp: boolean },
): string | undefined {
  const origin = originOf(actor)
  if (origin === undefined || originOf(id) !== origin || originOf(keyId) !== origin) return undefined
  const { protocol, host } = new URL(origin)
  return protocol === 'https:' || (protocol === 'http:' && allowHttp) ? host : undefined
}
