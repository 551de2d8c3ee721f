import ndc from 'node-datachannel'
import type { Person } from './person.ts'
import { SignallingClient } from './voice-client.ts'

const PAYLOAD_TYPE = 111
const FRAME_MS = 20

/** A packet that arrived, as the media server made it. */
export interface Heard {
  readonly mid: string
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
  readonly payloadType: number
  /** First byte of the payload: who said it. */
  readonly voice: number
}

/**
 * Somebody in a voice channel, with libdatachannel (an implementation that shares nothing with ours) as the other end.
 * What they say is a byte repeated, so that others know whom they hear.
 */
export class MediaClient implements AsyncDisposable {
  readonly person: Person
  readonly heard: Heard[] = []
  readonly connection: ndc.PeerConnection
  /** Descriptions of the server, in their order. */
  readonly descriptions: string[] = []
  signalling: SignallingClient
  readonly #microphone: ndc.Track
  readonly #tracks: ndc.Track[] = []
  readonly #voice: number
  readonly #wake = new Set<() => void>()
  #talking: NodeJS.Timeout | undefined
  #sequence = Math.floor(Math.random() * 65_536)
  #loudness: number
  #detached = false

  private constructor(person: Person, signalling: SignallingClient, voice: number, loudness: number) {
    this.person = person
    this.signalling = signalling
    this.#voice = voice
    this.#loudness = loudness
    this.connection = new ndc.PeerConnection(person.name, {
      iceServers: [],
      bindAddress: '127.0.0.1',
      disableAutoNegotiation: true,
    })
    const audio = new ndc.Audio('mic', 'SendOnly')
    audio.addOpusCodec(PAYLOAD_TYPE)
    audio.addSSRC(1000 + voice, 'cname', 'stream', 'mic')
    this.#microphone = this.connection.addTrack(audio)
    this.connection.onTrack((track) => {
      this.#tracks.push(track)
      track.onMessage((packet) => this.#hear(track.mid(), packet))
    })
  }

  /** Joins a channel and connects. @param options.voice a byte that others hear, from 1 to 127 */
  static async join(
    person: Person,
    channel: string,
    options: { voice: number; loudness?: number; slots?: number },
  ): Promise<MediaClient> {
    const parameters: Record<string, string> = options.slots ? { slots: String(options.slots) } : {}
    const signalling = await SignallingClient.join(person, channel, parameters)
    const client = new MediaClient(person, signalling, options.voice, options.loudness ?? 90)
    client.#follow(signalling)
    await client.offer()
    return client
  }

  /** Connects on a signalling socket that is open already. */
  static async on(
    person: Person,
    signalling: SignallingClient,
    options: { voice: number },
  ): Promise<MediaClient> {
    const client = new MediaClient(person, signalling, options.voice, 90)
    client.#follow(signalling)
    await client.offer()
    return client
  }

  /** Offers the microphone, and resolves when media flows. */
  async offer(): Promise<void> {
    const connected = new Promise<void>((resolve, reject) => {
      this.connection.onStateChange((state) => {
        if (state === 'connected') resolve()
        if (state === 'failed' || state === 'closed') reject(new Error(`the connection is ${state}`))
      })
    })
    this.connection.onLocalDescription((sdp, type) => {
      const withLevel = sdp.replace(
        /(a=mid:mic)/,
        '$1\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level',
      )
      if (type === 'offer') this.signalling.send({ type: 'offer', offer: { type, sdp: withLevel } })
      else this.signalling.send({ type: 'answer', answer: { type, sdp } })
    })
    this.connection.setLocalDescription('offer')
    await connected
  }

  #follow(signalling: SignallingClient): void {
    signalling.socket.on('message', (data) => {
      if (this.#detached) return
      const frame = JSON.parse(String(data))
      const description =
        frame.type === 'offer' ? frame.offer : frame.type === 'answer' ? frame.answer : undefined
      if (!description) return
      this.descriptions.push(description.sdp)
      this.connection.setRemoteDescription(description.sdp, description.type)
      if (frame.type === 'offer') this.connection.setLocalDescription('answer')
    })
  }

  /** Gives the connection up and keeps the socket, as a client does that begins anew. */
  detach(): SignallingClient {
    this.#detached = true
    this.hush()
    this.connection.close()
    return this.signalling
  }

  /** Follows another signalling socket, as after a resume. */
  switchTo(signalling: SignallingClient): void {
    this.signalling = signalling
    this.#follow(signalling)
  }

  talk(): void {
    this.#talking ??= setInterval(() => this.say(), FRAME_MS)
  }

  hush(): void {
    clearInterval(this.#talking)
    this.#talking = undefined
  }

  set loudness(value: number) {
    this.#loudness = value
  }

  /** Sends one packet of speech, with its loudness (RFC 6464). */
  say(): void {
    if (!this.#microphone.isOpen()) return
    const packet = Buffer.alloc(20 + 60, this.#voice)
    packet.writeUInt16BE(0x9000 | PAYLOAD_TYPE)
    packet.writeUInt16BE(this.#sequence++ % 65_536, 2)
    packet.writeUInt32BE((this.#sequence * 960) % 2 ** 32, 4)
    packet.writeUInt32BE(1000 + this.#voice, 8)
    packet.writeUInt32BE(0xbede0001, 12)
    packet.writeUInt32BE((0x10 << 24) | ((127 - this.#loudness) << 16), 16)
    this.#microphone.sendMessageBinary(packet)
  }

  /** Resolves when `count` more packets of somebody's voice have been heard. */
  hears(voice: number, count = 5): Promise<void> {
    const before = this.countOf(voice)
    return this.#until(() => this.countOf(voice) >= before + count, `packets of voice ${voice}`)
  }

  countOf(voice: number): number {
    return this.heard.filter((one) => one.voice === voice).length
  }

  #hear(mid: string, packet: Buffer): void {
    if (packet[1]! >= 192 && packet[1]! <= 223) return
    this.heard.push({
      mid,
      payloadType: packet[1]! & 0x7f,
      sequence: packet.readUInt16BE(2),
      timestamp: packet.readUInt32BE(4),
      ssrc: packet.readUInt32BE(8),
      voice: packet[12]!,
    })
    for (const wake of this.#wake) wake()
  }

  #until(condition: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer)
        this.#wake.delete(check)
        if (error) reject(error)
        else resolve()
      }
      const check = (): void => {
        if (condition()) finish()
      }
      const timer = setTimeout(
        () =>
          finish(
            new Error(`${this.person.name} heard no ${what}; heard ${JSON.stringify(this.heard.slice(-5))}`),
          ),
        30_000,
      )
      this.#wake.add(check)
      check()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#detached) this.detach()
    this.signalling[Symbol.dispose]()
  }
}
