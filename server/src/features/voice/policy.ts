import type { VoiceState } from '#events/events.ts'
import type { Permissions } from '#sfu/messages.ts'

/** How well clients should send; each has a bitrate. Names and figures are part of the API. */
export const qualityProfiles = ['low', 'balanced', 'high'] as const
export type QualityProfile = (typeof qualityProfiles)[number]

export const audioKbps: Readonly<Record<QualityProfile, number>> = { low: 24, balanced: 48, high: 64 }

/** What somebody may do in one voice channel. */
export interface VoiceRights {
  readonly connect: boolean
  readonly speak: boolean
  readonly priority: boolean
}

/** What a moderator keeps somebody from. */
export interface Restriction {
  readonly muted: boolean
  readonly deafened: boolean
}

/** What somebody chose for themselves. */
export interface OwnState {
  readonly muted: boolean
  readonly deafened: boolean
}

/** What the media server is to enforce. */
export function permissionsOf(rights: VoiceRights, restriction: Restriction, own: OwnState): Permissions {
  return {
    speak: rights.speak && !restriction.muted && !own.muted,
    listen: !restriction.deafened && !own.deafened,
    priority: rights.priority,
  }
}

/** How others see somebody: muted is whoever cannot be heard, whatever the reason. */
export function stateOf(permissions: Permissions, speaking: boolean): VoiceState {
  return {
    isMuted: !permissions.speak,
    isDeafened: !permissions.listen,
    isSpeaking: permissions.speak && speaking,
  }
}

/** Rights as a join token carries them, separated by spaces. */
export function scopeOf(rights: VoiceRights): string {
  return rights.speak ? 'recv send_audio' : 'recv'
}

/** Whether people can talk in channels of this type. */
export function isVoiceChannel(type: string): boolean {
  return type === 'voice' || type === 'mixed'
}
