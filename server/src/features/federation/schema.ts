import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

/** Documents that other servers read: their members are fixed by the standards named, not by us. */
const document = (id: string, description: string, shape: z.ZodRawShape) =>
  z.looseObject(shape).meta({ id, description })

export const ActorParams = z.object({ user_id: z.string().max(100) })

export const WebFingerInput = z.object({
  resource: z.string().min(1).max(2048).meta({
    description: '`acct:<name>@<host>` or the address of an actor.',
    example: 'acct:ann@chat.example.org',
  }),
})

export const ResourceDescriptor = document('ResourceDescriptor', 'JSON Resource Descriptor (RFC 7033).', {
  subject: z.string(),
  aliases: z.array(z.string()),
  links: z.array(z.looseObject({ rel: z.string(), type: z.string(), href: z.string() })),
})

export const ActorDocument = document('Actor', 'An actor of ActivityPub.', {
  id: z.string(),
  type: z.string(),
  preferredUsername: z.string(),
  inbox: z.string(),
  outbox: z.string(),
})

export const Tombstone = document('Tombstone', 'What is left of an account that was deleted.', {
  id: z.string(),
  type: z.literal('Tombstone'),
  detail: z.string(),
})

export const ActivityAccepted = z.object({
  status_code: z.literal(202),
  message: z.string().meta({ example: 'Activity accepted' }),
  result: z.object({
    processed: z.boolean().meta({ description: 'Whether it was something that this server acts on.' }),
    activity_type: z.string(),
    action: z.string().meta({ example: 'accepted' }),
    delivered_count: z.number().int().optional().meta({ description: 'How many people here got it.' }),
  }),
})

export const OutboxInput = z.object({
  page: z.coerce.number().optional(),
  limit: z.coerce.number().optional(),
})

export const Collection = document('Collection', 'A collection of ActivityStreams.', {
  id: z.string(),
  type: z.string(),
})

export const NodeInfoDocument = document('NodeInfo', 'NodeInfo (nodeinfo.diaspora.software).', {})

export const LookupInput = z.object({
  handle: z
    .string()
    .min(3)
    .max(2048)
    .meta({ description: '`name@host`, `@name@host`, `acct:name@host` or the address of an actor.' }),
})

const RemotePerson = z
  .object({
    actor: z.string().meta({ description: 'Address of the actor: what the person is known by for ever.' }),
    handle: z.string().meta({ example: 'ann@chat.example.org' }),
    username: z.string(),
    display_name: z.string(),
    origin_server: z.string(),
  })
  .meta({ id: 'RemotePerson' })

export const LookupAnswer = z.object({ status_code: z.literal(200), person: RemotePerson })

export const IdentityAnswer = z.object({
  status_code: z.literal(200),
  enabled: z.boolean().meta({ description: 'Whether other servers can find the caller and write to them.' }),
  handle: z.string().meta({ example: 'ann@chat.example.org' }),
  actor: z.string(),
})

export const IdentityChange = z.object({ enabled: z.boolean() })

export const FollowInput = z.object({
  remote_handle: z
    .string()
    .min(3)
    .max(2048)
    .meta({ description: '`name@host`, `@name@host`, `acct:name@host` or the address of an actor.' }),
})

export const FollowAnswer = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Follow activity delivered' }),
  result: z.object({ activity_id: z.string(), target_actor: z.string(), delivery_target: z.string() }),
})

const Follow = RemotePerson.extend({
  state: z.enum(['pending', 'accepted', 'rejected']),
  since: IsoTime,
}).meta({ id: 'Follow' })

export const FollowList = z.object({
  status_code: z.literal(200),
  following: z.array(Follow),
  followers: z.array(Follow),
})
