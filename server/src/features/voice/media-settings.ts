import type { Config } from '#config/schema.ts'
import type { MediaSettings } from '#sfu/messages.ts'

/** What the media server needs of the configuration. @param origin public origin of this server */
export function mediaSettings({ server, voice }: Config, origin: string): MediaSettings {
  return {
    host: voice.host ?? hostFor(server.host, origin),
    port: voice.port,
    announcedAddresses: voice.announced_addresses,
    tcp: voice.tcp,
    audibleParticipants: voice.audible_participants,
  }
}

/** A server that only this machine knows needs no media from elsewhere. */
function hostFor(listener: string, origin: string): string {
  const { hostname } = new URL(origin)
  const local = (name: string): boolean => /^(localhost|127\..*|\[?::1\]?)$/.test(name)
  if (!local(listener) || !local(hostname)) return '::'
  return listener === '::1' || listener === '[::1]' ? '::1' : '127.0.0.1'
}
