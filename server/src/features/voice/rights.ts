import type { AccessibleChannel } from '#features/channels/index.ts'
import type { Actor } from '#http/access.ts'
import { can } from '#lib/permission.ts'
import type { VoiceRights } from './policy.ts'

/** What somebody who sees a channel may do in it by voice. */
export function voiceRightsIn(actor: Actor, channel: AccessibleChannel): VoiceRights {
  return {
    connect: can(actor, 'connect', channel.standing).allowed,
    speak: can(actor, 'speak', channel.standing).allowed,
    priority: can(actor, 'priority_speaker', channel.standing).allowed,
  }
}
