import type { SfuEvent } from './messages.ts'
import type { Peer } from './peer.ts'
import type { Track } from './track.ts'

/** Being heard counts for so much loudness, so that two voices of a kind do not take turns by the syllable. */
const STAYING_BONUS = 6
const PRIORITY_BONUS = 40
/** The ranking is looked at again so soon at the earliest when somebody begins to speak. */
const PROMOTE_MS = 20

/** The participants of one voice session: who is heard by whom. */
export class Room {
  readonly id: string
  readonly peers = new Map<string, Peer>()
  readonly #tracks = new Set<Track>()
  readonly #audible: number
  readonly #emit: (event: SfuEvent) => void
  readonly #onRemoved: (peer: Peer) => void
  #rankedAt = -Infinity

  /** @param options.audible most tracks that are forwarded at once */
  constructor(
    id: string,
    options: { audible: number; emit: (event: SfuEvent) => void; onRemoved: (peer: Peer) => void },
  ) {
    this.id = id
    this.#audible = options.audible
    this.#emit = options.emit
    this.#onRemoved = options.onRemoved
  }

  get trackCount(): number {
    return this.#tracks.size
  }

  add(peer: Peer): void {
    this.peers.set(peer.id, peer)
    for (const track of this.#tracks) peer.addTrack(track)
  }

  remove(peer: Peer): void {
    if (!this.peers.delete(peer.id)) return
    for (const track of peer.tracks.values()) this.removeTrack(track)
    peer.close()
    this.#onRemoved(peer)
  }

  addTrack(track: Track): void {
    track.isActive = this.#tracks.size < this.#audible
    this.#tracks.add(track)
    for (const peer of this.peers.values()) peer.addTrack(track)
  }

  removeTrack(track: Track): void {
    if (!this.#tracks.delete(track)) return
    for (const peer of this.peers.values()) peer.removeTrack(track)
    this.#rank()
    this.arrange()
  }

  /** Puts those who are heard into everybody's slots. */
  arrange(): void {
    const audible = [...this.#tracks].filter(({ isActive }) => isActive)
    for (const peer of this.peers.values()) peer.arrange(audible)
  }

  /** Somebody who was not heard speaks up. @returns whether they are heard now */
  promote(track: Track, now: number): boolean {
    if (now - this.#rankedAt < PROMOTE_MS || !this.#couldBeHeard(track)) return false
    this.#rankedAt = now
    if (this.#rank()) this.arrange()
    return track.isActive
  }

  /** Looks at who speaks, and tells what changed. Called a few times a second. */
  update(now: number): void {
    for (const track of this.#tracks) {
      const { peer } = track
      if (track.updateSpeaking(now, peer.permissions.speak)) {
        const loudness = Math.round(track.loudness)
        this.#emit({ type: 'speaking', peer: peer.id, speaking: track.isSpeaking, loudness })
      }
    }
    if (this.#tracks.size > this.#audible && this.#rank()) this.arrange()
  }

  #couldBeHeard(track: Track): boolean {
    let lowest = Infinity
    for (const one of this.#tracks) if (one.isActive) lowest = Math.min(lowest, scoreOf(one))
    return scoreOf(track) > lowest
  }

  /** Picks the loudest (RFC 6464; compare RFC 7667 section 3.6). @returns whether it is others than before */
  #rank(): boolean {
    const ranked = [...this.#tracks].toSorted((a, b) => scoreOf(b) - scoreOf(a))
    let changed = false
    for (const [place, track] of ranked.entries()) {
      const isActive = place < this.#audible
      if (track.isActive === isActive) continue
      track.isActive = isActive
      if (!isActive) track.pause()
      changed = true
    }
    return changed
  }
}

function scoreOf({ loudness, isActive, peer: { permissions } }: Track): number {
  if (!permissions.speak) return -1
  return loudness + (isActive ? STAYING_BONUS : 0) + (permissions.priority ? PRIORITY_BONUS : 0)
}
