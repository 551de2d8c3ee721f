import type { Context } from '#context'
import type { DomainEvent, VoiceState } from '#events/events.ts'
import { HttpError } from '#http/errors.ts'
import { newId } from '#lib/id.ts'
import type { SfuEvent, SlotMode } from '#sfu/messages.ts'
import type { SfuLost } from '#sfu/sfu.ts'
import { accessVoiceChannel, startMedia } from './join.ts'
import { leaveVoice } from './leave.ts'
import { LiveParticipant } from './live.ts'
import { audioKbps, type OwnState, type QualityProfile } from './policy.ts'
import type { SignalSocket } from './signal-socket.ts'
import { endSessionsOf, hostsOfRunningSessions, findLimits, findRestriction, findSession } from './store.ts'

/** Whoever joins has so long to connect: the life of a join token, and a bit. */
const CONNECT_MS = 75_000
/** Who speaks is told to everybody at most this often. */
const SPEAKING_MS = 500
/** After the media server died, clients that do not know what to do are cut off, so that they join anew. */
const RESET_MS = 10_000
/** When the database could not tell what somebody may do, it is asked again so often. */
const RECHECK_MS = 500

type Deps = Pick<
  Context,
  'authenticator' | 'bus' | 'clock' | 'config' | 'db' | 'eventLog' | 'log' | 'profiles' | 'sfu'
>

/**
 * Voice sessions while they last: ties together who is in one (the database), their media (the media server) and
 * their signalling sockets. Acts on every event by which somebody may lose what they have.
 */
export class VoiceHub implements AsyncDisposable {
  readonly #ctx: Deps
  readonly #sessions = new Map<string, Map<string, LiveParticipant>>()
  readonly #byPeer = new Map<string, LiveParticipant>()
  readonly #unsubscribe: (() => void)[]
  readonly #speaking = new Set<LiveParticipant>()
  #speakingTimer: NodeJS.Timeout | undefined
  #stopping = false

  constructor(ctx: Deps) {
    this.#ctx = ctx
    this.#unsubscribe = [
      ctx.bus.subscribe(({ event }) => this.#follow(event)),
      ctx.sfu.subscribe((event) => this.#followMedia(event)),
    ]
  }

  /** Ends what processes that died left behind, this one among them. To be called before anybody can join. */
  async start(): Promise<void> {
    const { db, clock, eventLog } = this.#ctx
    const living = await db.livingStreams()
    for (const host of await hostsOfRunningSessions(db.read)) {
      if (host === eventLog.stream || !living.has(host))
        await db.transact((tx) => endSessionsOf(tx, host, clock()))
    }
  }

  participant(sessionId: string, userId: string): LiveParticipant | undefined {
    return this.#sessions.get(sessionId)?.get(userId)
  }

  /** Those in a session who have connected, in the order they did. */
  connected(sessionId: string): LiveParticipant[] {
    return [...(this.#sessions.get(sessionId)?.values() ?? [])]
      .filter(({ connectedAt }) => connectedAt !== undefined)
      .toSorted((a, b) => a.connectedAt! - b.connectedAt!)
  }

  /** Numbers for operators. */
  get size(): { sessions: number; participants: number } {
    const sessions = [...this.#sessions.values()]
    return { sessions: sessions.length, participants: sessions.reduce((sum, { size }) => sum + size, 0) }
  }

  /** Somebody's signalling socket: media begins. */
  async connect(
    participant: LiveParticipant,
    socket: SignalSocket | undefined,
    slots: SlotMode,
  ): Promise<void> {
    await startMedia(this.#ctx)
    // They may have left while media was being started.
    if (this.participant(participant.sessionId, participant.userId) !== participant) return
    this.#dropMedia(participant)
    clearTimeout(participant.timer)
    participant.socket = socket
    participant.slots = slots
    const isNew = participant.connectedAt === undefined
    participant.connectedAt = this.#ctx.clock()
    this.#admit(participant)
    if (isNew) this.#broadcast(participant, this.#joinedFrame(participant))
  }

  /**
   * Somebody who had lost their socket is back; media went on meanwhile. Without media there is nothing to go on with.
   *
   * @returns whether there was any; nothing has changed if not
   */
  resume(participant: LiveParticipant, socket: SignalSocket): boolean {
    if (participant.peer === undefined) return false
    clearTimeout(participant.timer)
    participant.socket?.close(1000, 'resumed elsewhere')
    participant.socket = socket
    return true
  }

  /** A signalling socket closed without a goodbye. */
  disconnected(participant: LiveParticipant, socket: SignalSocket): void {
    if (participant.socket !== socket) return
    participant.socket = undefined
    if (this.#stopping) return
    this.#endLater(participant, this.#ctx.config.voice.resume_seconds * 1000, 'the connection was lost')
  }

  /** Somebody mutes or deafens themselves, or says that they speak. */
  setOwn(
    participant: LiveParticipant,
    change: Partial<OwnState> & { speaking?: boolean },
    action: string,
  ): void {
    const before = participant.state
    participant.own = {
      muted: change.muted ?? participant.own.muted,
      deafened: change.deafened ?? participant.own.deafened,
    }
    if (change.speaking !== undefined) participant.isSpeaking = change.speaking
    this.#apply(participant, before, action)
  }

  /** Takes somebody out, in turn with what else happens to them. */
  leave(participant: LiveParticipant, reason: string): Promise<void> {
    return this.#inTurn(participant, async () => {
      await leaveVoice(this.#ctx, participant, reason)
    })
  }

  /** Everybody in a session, but for one. */
  #others(participant: LiveParticipant): LiveParticipant[] {
    return this.connected(participant.sessionId).filter((other) => other !== participant)
  }

  #broadcast(participant: LiveParticipant, frame: object): void {
    for (const other of this.#others(participant)) other.socket?.send(frame)
  }

  #joinedFrame({ sessionId, userId, username, rights }: LiveParticipant): object {
    const scope = rights.speak ? 'recv send_audio' : 'recv'
    const payload = { user_id: userId, username, scope, participant_count: this.connected(sessionId).length }
    return { type: 'participant_joined', session_id: sessionId, payload }
  }

  #admit(participant: LiveParticipant): void {
    const peer = newId(this.#ctx.clock())
    participant.peer = peer
    this.#byPeer.set(peer, participant)
    const { sessionId: room, userId: user, permissions, slots, bitrateKbps } = participant
    this.#ctx.sfu.admit({ room, peer, user, permissions, slots, bitrateKbps })
  }

  #dropMedia(participant: LiveParticipant): void {
    if (participant.peer === undefined) return
    this.#byPeer.delete(participant.peer)
    this.#ctx.sfu.remove(participant.peer)
    participant.peer = undefined
  }

  #endLater(participant: LiveParticipant, ms: number, reason: string): void {
    clearTimeout(participant.timer)
    participant.timer = setTimeout(() => void this.leave(participant, reason), ms)
    participant.timer.unref()
  }

  /** Enforces what changed about somebody and tells who can see it. */
  #apply(participant: LiveParticipant, before: VoiceState, action: string): void {
    if (participant.peer !== undefined) this.#ctx.sfu.permit(participant.peer, participant.permissions)
    const after = participant.state
    const same =
      before.isMuted === after.isMuted &&
      before.isDeafened === after.isDeafened &&
      before.isSpeaking === after.isSpeaking
    if (same) return
    this.#tellLevels(participant)
    this.#publishState(participant, action)
  }

  #tellLevels(participant: LiveParticipant, loudness?: number): void {
    const { isMuted, isDeafened, isSpeaking } = participant.state
    const frame = {
      type: 'speaker_levels',
      session_id: participant.sessionId,
      payload: {
        user_id: participant.userId,
        is_speaking: isSpeaking,
        is_muted: isMuted,
        is_deafened: isDeafened,
        ...(loudness !== undefined && { level: loudness }),
      },
    }
    for (const one of this.connected(participant.sessionId)) one.socket?.send(frame)
  }

  #publishState({ sessionId, channelId, userId, state }: LiveParticipant, action: string): void {
    this.#ctx.bus.publish({
      event: { type: 'voice.state_changed', sessionId, channelId, userId, action, state },
    })
  }

  /** Speaking changes often: in the session at once, elsewhere in batches. */
  #publishSpeaking(participant: LiveParticipant): void {
    this.#speaking.add(participant)
    this.#speakingTimer ??= setTimeout(() => {
      this.#speakingTimer = undefined
      const changed = [...this.#speaking]
      this.#speaking.clear()
      for (const one of changed) {
        if (this.participant(one.sessionId, one.userId) === one) this.#publishState(one, 'speaking')
      }
    }, SPEAKING_MS).unref()
  }

  #followMedia(event: SfuEvent | SfuLost): void {
    if (event.type === 'lost') return void this.#restartMedia()
    const participant = 'peer' in event ? this.#byPeer.get(event.peer) : undefined
    if (!participant) return
    switch (event.type) {
      case 'offer':
        return participant.socket?.send({
          type: 'offer',
          session_id: participant.sessionId,
          offer: { type: 'offer', sdp: event.sdp },
        })
      case 'slots': {
        const slots = event.slots.map(({ mid, peer }) => ({
          mid,
          user_id: peer === null ? null : (this.#byPeer.get(peer)?.userId ?? null),
        }))
        return participant.socket?.send({
          type: 'slots',
          session_id: participant.sessionId,
          payload: { slots },
        })
      }
      case 'speaking':
        participant.isSpeaking = event.speaking
        this.#tellLevels(participant, event.loudness)
        return this.#publishSpeaking(participant)
      case 'gone':
        this.#byPeer.delete(event.peer)
        participant.peer = undefined
        void this.leave(participant, event.reason)
        break
      default:
    }
  }

  /** The media server died: everybody begins anew, on the sockets they have. */
  async #restartMedia(): Promise<void> {
    const hadMedia = [...this.#byPeer.values()]
    this.#byPeer.clear()
    for (const participant of hadMedia) participant.peer = undefined
    if (this.#stopping || hadMedia.length === 0) return
    try {
      await startMedia(this.#ctx)
    } catch (error) {
      this.#ctx.log.error({ err: error }, 'voice could not be started again')
      for (const participant of hadMedia) void this.leave(participant, 'voice is not available')
      return
    }
    this.#ctx.log.warn({ participants: hadMedia.length }, 'voice was started again')
    for (const participant of hadMedia) {
      if (this.participant(participant.sessionId, participant.userId) !== participant || participant.peer)
        continue
      if (participant.slots === 'answer only') {
        void this.leave(participant, 'the media server was restarted')
        continue
      }
      participant.isSpeaking = false
      const { socket } = participant
      // Without a socket nobody can connect: they have as long as for any lost socket to join again.
      if (!socket?.isOpen) {
        this.#endLater(participant, this.#ctx.config.voice.resume_seconds * 1000, 'the connection was lost')
        continue
      }
      this.#admit(participant)
      socket.send({ type: 'reset', session_id: participant.sessionId })
      this.#cutUnlessBack(participant, socket)
    }
  }

  /** A client that does not know `reset` is cut off, and joins anew. */
  #cutUnlessBack(participant: LiveParticipant, socket: SignalSocket): void {
    const { peer } = participant
    const done = this.#ctx.sfu.subscribe((event) => {
      if (event.type === 'connected' && event.peer === peer) finish()
    })
    const finish = (): void => {
      clearTimeout(timer)
      done()
    }
    const timer = setTimeout(() => {
      finish()
      if (participant.peer === peer && participant.socket === socket)
        socket.close(1012, 'media was restarted')
    }, RESET_MS).unref()
  }

  #follow(event: DomainEvent): void {
    switch (event.type) {
      case 'voice.joined':
        return void this.#arrive(event)
      case 'voice.left':
        return this.#depart(event)
      case 'voice.restricted':
        return this.#each(
          (one) => one.userId === event.userId,
          (one) => {
            const before = one.state
            one.restriction = { muted: event.muted, deafened: event.deafened }
            this.#apply(one, before, 'moderated')
          },
        )
      case 'session.ended': {
        const ended = new Set(event.sessionIds)
        const isTheirs = (one: LiveParticipant): boolean =>
          one.userId === event.userId && ended.has(one.loginSessionId)
        return this.#each(isTheirs, (one) => {
          this.#silence(one)
          void this.leave(one, 'the session has ended')
        })
      }
      case 'channel.deleted':
        return this.#each(
          (one) => one.channelId === event.channelId,
          (one) => {
            this.#silence(one)
            void this.leave(one, 'the channel was deleted')
          },
        )
      case 'channel.member_removed':
        return this.#each(
          (one) => one.channelId === event.channelId && one.userId === event.userId,
          (one) => void this.#recheck(one),
        )
      case 'channel.updated':
      case 'channel.access_changed':
        return this.#each(
          (one) => one.channelId === event.channel.id,
          (one) => void this.#recheck(one),
        )
      case 'roles.changed':
      case 'events.missed':
        return this.#each(
          () => true,
          (one) => void this.#recheck(one),
        )
      case 'user.changed':
      case 'user.restricted':
        return this.#each(
          (one) => one.userId === event.userId,
          (one) => void this.#recheck(one),
        )
      default:
    }
  }

  #each(which: (one: LiveParticipant) => boolean, act: (one: LiveParticipant) => void): void {
    for (const session of this.#sessions.values()) {
      for (const one of session.values()) if (which(one)) act(one)
    }
  }

  async #arrive(event: Extract<DomainEvent, { type: 'voice.joined' }>): Promise<void> {
    if (event.host !== this.#ctx.eventLog.stream) return
    const known = this.participant(event.sessionId, event.userId)
    if (known) {
      known.loginSessionId = event.loginSessionId
      return
    }
    const session = this.#sessions.get(event.sessionId) ?? new Map<string, LiveParticipant>()
    this.#sessions.set(event.sessionId, session)
    const participant = new LiveParticipant({
      ...event,
      username: this.#ctx.profiles.known(event.userId)?.username ?? '',
      // Nobody is heard before it is known that they may be.
      rights: { connect: false, speak: false, priority: false },
      restriction: { muted: true, deafened: false },
      bitrateKbps: this.#ctx.config.voice.bitrate_kbps,
    })
    session.set(event.userId, participant)
    this.#endLater(participant, CONNECT_MS, 'no connection was made')
    await this.#recheck(participant)
  }

  /** Resolves when it is known what somebody may do. */
  async settled(participant: LiveParticipant): Promise<void> {
    await participant.turn
  }

  /**
   * Looks again at what somebody may do, after anything that could have changed it. While that cannot be told they
   * neither speak nor hear, and it is tried again.
   */
  #recheck(participant: LiveParticipant): Promise<void> {
    return this.#inTurn(participant, async () => {
      clearTimeout(participant.recheckTimer)
      try {
        await this.#applyRights(participant)
      } catch (error) {
        if (this.participant(participant.sessionId, participant.userId) !== participant) throw error
        const { isInDoubt: isKnown, state: before } = participant
        participant.isInDoubt = true
        this.#apply(participant, before, 'rights')
        if (!this.#stopping) this.#recheckLater(participant)
        // Logged once, not at every try.
        if (!isKnown) throw error
      }
    })
  }

  async #applyRights(participant: LiveParticipant): Promise<void> {
    const { db, authenticator, config } = this.#ctx
    try {
      const actor = await authenticator.check(participant.loginSessionId)
      const { rights } = await accessVoiceChannel(db.read, actor, participant.channelId)
      const restriction = await findRestriction(db.read, participant.userId)
      const session = await findSession(db.read, participant.sessionId)
      const limits = await findLimits(db.read, participant.channelId)
      const before = participant.state
      const isNews = participant.rights.connect || participant.isInDoubt
      Object.assign(participant, { rights, restriction, username: actor.username, isInDoubt: false })
      participant.bitrateKbps = Math.min(
        audioKbps[(session?.quality_profile ?? 'balanced') as QualityProfile],
        config.voice.bitrate_kbps,
        limits?.bitrate_kbps ?? Infinity,
      )
      if (isNews) this.#apply(participant, before, 'rights')
    } catch (error) {
      if (!(error instanceof HttpError) || error.status >= 500) throw error
      this.#silence(participant)
      await leaveVoice(this.#ctx, participant, 'access was lost')
    }
  }

  #recheckLater(participant: LiveParticipant): void {
    participant.recheckTimer = setTimeout(() => void this.#recheck(participant), RECHECK_MS)
    participant.recheckTimer.unref()
  }

  /** Takes media away at once; the rest may wait for the database. */
  #silence(participant: LiveParticipant): void {
    this.#dropMedia(participant)
  }

  #depart(event: Extract<DomainEvent, { type: 'voice.left' }>): void {
    const session = this.#sessions.get(event.sessionId)
    const participant = session?.get(event.userId)
    if (!session || !participant) return
    clearTimeout(participant.timer)
    clearTimeout(participant.recheckTimer)
    this.#dropMedia(participant)
    const payload = { user_id: event.userId, participant_count: this.#others(participant).length }
    if (participant.connectedAt !== undefined)
      this.#broadcast(participant, { type: 'participant_left', session_id: event.sessionId, payload })
    session.delete(event.userId)
    if (session.size === 0) this.#sessions.delete(event.sessionId)
    const { socket } = participant
    participant.socket = undefined
    if (event.reason === 'left') socket?.close(1000, 'left')
    else socket?.refuse(event.reason)
  }

  #inTurn(participant: LiveParticipant, act: () => Promise<void>): Promise<void> {
    const turn = participant.turn.then(act).catch((error: unknown) => {
      this.#ctx.log.error(
        { err: error, user_id: participant.userId },
        'a voice participant could not be updated',
      )
    })
    participant.turn = turn
    return turn
  }

  /** Tells clients to come back later. */
  close(): void {
    this.#stopping = true
    this.#each(
      () => true,
      (one) => {
        clearTimeout(one.timer)
        clearTimeout(one.recheckTimer)
        one.socket?.close(1001, 'the server is stopping')
      },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    clearTimeout(this.#speakingTimer)
    await this.#ctx.sfu[Symbol.asyncDispose]()
  }
}
