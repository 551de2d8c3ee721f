import { createHash, randomBytes } from 'node:crypto'
import type { SlotMode } from '#sfu/messages.ts'
import { permissionsOf, stateOf, type OwnState, type Restriction, type VoiceRights } from './policy.ts'
import type { SignalSocket } from './signal-socket.ts'

/** Somebody in a voice session, as this process knows them while it lasts. */
export class LiveParticipant {
  readonly userId: string
  readonly username: string
  readonly sessionId: string
  readonly channelId: string
  loginSessionId: string
  rights: VoiceRights
  restriction: Restriction
  own: OwnState = { muted: false, deafened: false }
  isSpeaking = false
  /** Their name at the media server, once they connect. */
  peer: string | undefined
  slots: SlotMode = 'named'
  bitrateKbps: number
  connectedAt: number | undefined
  socket: SignalSocket | undefined
  /** Ends their stay unless they connect, or come back, in time. */
  timer: NodeJS.Timeout | undefined
  /** Looks again at what they may do, when the database could not tell. */
  recheckTimer: NodeJS.Timeout | undefined
  /** Whether it cannot be told at present what they may do: nothing, until it can. */
  isInDoubt = false
  /** Keeps the changes of one participant in order. */
  turn: Promise<unknown> = Promise.resolve()
  #resumeHash: string | undefined

  constructor(facts: {
    userId: string
    username: string
    sessionId: string
    channelId: string
    loginSessionId: string
    rights: VoiceRights
    restriction: Restriction
    bitrateKbps: number
  }) {
    this.userId = facts.userId
    this.username = facts.username
    this.sessionId = facts.sessionId
    this.channelId = facts.channelId
    this.loginSessionId = facts.loginSessionId
    this.rights = facts.rights
    this.restriction = facts.restriction
    this.bitrateKbps = facts.bitrateKbps
  }

  get permissions() {
    if (this.isInDoubt) return { speak: false, listen: false, priority: false }
    return permissionsOf(this.rights, this.restriction, this.own)
  }

  get state() {
    return stateOf(this.permissions, this.isSpeaking)
  }

  /** A secret with which the client comes back after its socket was lost; the one before is good no more. */
  newResumeToken(): string {
    const secret = randomBytes(32).toString('base64url')
    this.#resumeHash = hashOf(secret)
    return `${this.sessionId}.${this.userId}.${secret}`
  }

  acceptsResume(secret: string): boolean {
    return this.#resumeHash !== undefined && this.#resumeHash === hashOf(secret)
  }
}

/** What a resume token names. */
export function parseResumeToken(
  token: string,
): { sessionId: string; userId: string; secret: string } | undefined {
  const match = /^([0-9a-f-]{36})\.([0-9a-f-]{36})\.([\w-]{43})$/.exec(token)
  return match ? { sessionId: match[1]!, userId: match[2]!, secret: match[3]! } : undefined
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
