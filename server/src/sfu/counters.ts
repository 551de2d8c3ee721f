import type { ReportBlock } from './rtp/rtcp.ts'

/** What a media server counts since it started. */
export class Counters {
  readonly totals = {
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
    lostIn: 0,
    lostOut: 0,
    resent: 0,
    handshakes: 0,
    handshakesFailed: 0,
    strayChecks: 0,
  }

  /** Losses so far by participant and stream: reports carry totals, not differences. */
  readonly #lost = new Map<string, Map<string, number>>()

  /** How a participant's stream arrived here. */
  noteArrival(peer: string, block: ReportBlock): void {
    this.totals.lostIn += this.#newlyLost(peer, `in ${block.ssrc}`, block.lost)
  }

  /** How our stream arrived at a participant, as they say. */
  noteReport(peer: string, block: ReportBlock): void {
    this.totals.lostOut += this.#newlyLost(peer, `out ${block.ssrc}`, block.lost)
  }

  forget(peer: string): void {
    this.#lost.delete(peer)
  }

  #newlyLost(peer: string, stream: string, total: number): number {
    const streams = this.#lost.get(peer) ?? new Map<string, number>()
    this.#lost.set(peer, streams)
    const before = streams.get(stream) ?? 0
    // A participant may name as many streams as they like; only a few can be real.
    if (!streams.has(stream) && streams.size >= 128) return 0
    streams.set(stream, Math.max(before, total))
    return Math.max(0, total - before)
  }
}
