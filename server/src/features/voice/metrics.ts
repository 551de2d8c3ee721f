import { Counter, Gauge, type Registry } from 'prom-client'
import type { SfuStats } from '#sfu/messages.ts'
import type { Sfu } from '#sfu/sfu.ts'
import type { VoiceHub } from './voice-hub.ts'

/** Counters of the media server, by the name that operators see. */
const totals = {
  packetsIn: ['pufferblow_voice_packets_received_total', 'Media packets that came in'],
  bytesIn: ['pufferblow_voice_bytes_received_total', 'Bytes of media that came in'],
  lostIn: [
    'pufferblow_voice_packets_lost_in_total',
    'Media packets that were sent to this server and did not come',
  ],
  packetsOut: ['pufferblow_voice_packets_sent_total', 'Media packets sent'],
  bytesOut: ['pufferblow_voice_bytes_sent_total', 'Bytes of media sent'],
  lostOut: ['pufferblow_voice_packets_lost_out_total', 'Media packets that clients report missing'],
  resent: ['pufferblow_voice_packets_resent_total', 'Media packets sent again on request'],
  handshakes: ['pufferblow_voice_handshakes_total', 'Media connections made'],
  handshakesFailed: [
    'pufferblow_voice_handshakes_failed_total',
    'Media connections that failed at the handshake',
  ],
  strayChecks: [
    'pufferblow_voice_stray_checks_total',
    'Connectivity checks for nobody we know: they show that UDP reaches this server',
  ],
} as const satisfies Partial<Record<keyof SfuStats, readonly [name: string, help: string]>>

type Total = keyof typeof totals

/** What operators watch of voice. The media server counts from its start; these count on when it is started again. */
export function observeVoice(registry: Registry, { sfu, voice }: { sfu: Sfu; voice: VoiceHub }): void {
  const registers = [registry]
  const counters = Object.fromEntries(
    Object.entries(totals).map(([total, [name, help]]) => [total, new Counter({ name, help, registers })]),
  ) as Record<Total, Counter>
  const gauge = (name: string, help: string, value: () => number): void => {
    const one: Gauge = new Gauge({ name, help, registers, collect: () => one.set(value()) })
  }
  gauge('pufferblow_voice_sessions', 'Voice channels that somebody is in', () => voice.size.sessions)
  gauge('pufferblow_voice_participants', 'People in voice channels', () => voice.size.participants)
  gauge('pufferblow_voice_connected', 'People whose media is connected', () => sfu.stats?.connected ?? 0)
  gauge('pufferblow_voice_tracks', 'Streams that people send', () => sfu.stats?.tracks ?? 0)
  let before: SfuStats | undefined
  sfu.subscribe((event) => {
    if (event.type === 'ready') before = undefined
    if (event.type !== 'stats') return
    for (const total of Object.keys(totals) as Total[])
      counters[total].inc(event.stats[total] - (before?.[total] ?? 0))
    before = event.stats
  })
}
