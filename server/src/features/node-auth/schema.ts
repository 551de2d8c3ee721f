import { z } from 'zod'
import { IsoTime } from '#http/schemas.ts'

const NODE_KEY = 'An Ed25519 public key: PEM (SPKI), or its 32 bytes in base64.'

export const ChallengeInput = z.object({
  node_id: z.string().min(1).max(255).meta({ example: 'phone-1' }),
  node_public_key: z
    .string()
    .min(1)
    .max(4096)
    .optional()
    .meta({ description: `${NODE_KEY} When given, only this key can answer.` }),
})

export const ChallengeMade = z.object({
  status_code: z.literal(200),
  challenge_id: z.string(),
  challenge_nonce: z.string().meta({ description: 'What is to be signed: its UTF-8 bytes.' }),
  expires_at: IsoTime,
  audience: z.string().meta({ description: 'The origin of the server that the challenge is for.' }),
})

export const VerifyInput = z.object({
  challenge_id: z.string().min(1).max(100),
  node_public_key: z.string().min(1).max(4096).meta({ description: NODE_KEY }),
  challenge_signature: z
    .string()
    .min(1)
    .max(1024)
    .meta({ description: 'Ed25519 over the UTF-8 bytes of the nonce, in base64 or hex.' }),
  shared_secret: z
    .string()
    .min(8)
    .max(1024)
    .optional()
    .meta({
      description:
        'For clients without an Ed25519 key: the signature is HMAC-SHA-256 over the nonce under this secret, in ' +
        'hex, and an access token of the user must come along.',
    }),
})

const scopes = ['chat:read', 'chat:write'] as const
export const SCOPES: z.input<typeof Scopes> = [...scopes]
const Scopes = z.array(z.enum(scopes))

export const NodeSessionOpened = z.object({
  status_code: z.literal(200),
  session_id: z.string(),
  session_token: z.string().meta({ example: 'pbn_kK1oQ…' }),
  node_id: z.string(),
  expires_at: IsoTime,
  scopes: Scopes,
})

export const IntrospectInput = z.object({
  session_token: z
    .string()
    .min(1)
    .max(1024)
    .optional()
    .meta({ description: 'May come in the header `X-Pufferblow-Node-Session` instead.' }),
})

export const NodeSessionActive = z.object({
  status_code: z.literal(200),
  active: z.literal(true),
  session_id: z.string(),
  user_id: z.string(),
  node_id: z.string(),
  node_public_key: z.string(),
  expires_at: IsoTime,
  scopes: Scopes,
})

export const RevokeInput = z.object({ session_id: z.string().min(1).max(100) })

export const NodeSessionRevoked = z.object({
  status_code: z.literal(200),
  message: z.string().meta({ example: 'Session revoked successfully' }),
  session_id: z.string(),
})

export const NodeSessionList = z.object({
  status_code: z.literal(200),
  sessions: z.array(
    z
      .object({
        session_id: z.string(),
        node_id: z.string(),
        node_public_key: z.string(),
        proof: z.enum(['ed25519', 'hmac']),
        created_at: IsoTime,
        expires_at: IsoTime,
      })
      .meta({ id: 'NodeSession' }),
  ),
})
