/** A frame of a video, as an encoder made it. */
export interface VideoFrameData {
  /** Milliseconds from the start. */
  readonly time: number
  readonly isKey: boolean
  readonly data: Uint8Array
}

/** IDs of elements (RFC 9559, section 5; RFC 8794, section 11). */
const ID = {
  ebml: '1a45dfa3',
  segment: '18538067',
  info: '1549a966',
  tracks: '1654ae6b',
  cues: '1c53bb6b',
  cluster: '1f43b675',
  void: 'ec',
}

/**
 * A WebM with one VP8 track and an index, so that players can seek in it: a cluster begins with each key frame.
 *
 * @param padding bytes of nothing after each cluster, so that nobody has it all by reading a little ahead
 */
export function webm(
  frames: readonly VideoFrameData[],
  {
    width,
    height,
    durationMs,
    padding,
  }: { width: number; height: number; durationMs: number; padding: number },
): Buffer {
  const groups: VideoFrameData[][] = []
  for (const frame of frames) {
    if (frame.isKey) groups.push([])
    groups.at(-1)!.push(frame)
  }
  const clusters = groups.map((group) =>
    Buffer.concat([clusterOf(group), element(ID.void, Buffer.alloc(padding))]),
  )
  const info = element(
    ID.info,
    element('2ad7b1', number(1_000_000)),
    element('4489', double(durationMs)),
    element('4d80', text('test')),
    element('5741', text('test')),
  )
  const video = element('e0', element('b0', number(width)), element('ba', number(height)))
  const track = [element('d7', number(1)), element('73c5', number(1)), element('83', number(1))]
  const tracks = element(ID.tracks, element('ae', ...track, element('86', text('V_VP8')), video))
  // Numbers are as long whatever their value, so the length of the index is known before what is in it.
  const indexBytes = cuesOf(groups, () => 0).length
  const positions: number[] = []
  let position = info.length + tracks.length + indexBytes
  for (const cluster of clusters) {
    positions.push(position)
    position += cluster.length
  }
  const cues = cuesOf(groups, (index) => positions[index]!)
  const head = element(
    ID.ebml,
    element('4282', text('webm')),
    element('4287', number(4)),
    element('4285', number(2)),
  )
  return Buffer.concat([head, element(ID.segment, info, tracks, cues, ...clusters)])
}

function cuesOf(groups: readonly VideoFrameData[][], positionOf: (index: number) => number): Buffer {
  const points = groups.map((group, index) => {
    const place = element('b7', element('f7', number(1)), element('f1', number(positionOf(index))))
    return element('bb', element('b3', number(group[0]!.time)), place)
  })
  return element(ID.cues, ...points)
}

function clusterOf(frames: readonly VideoFrameData[]): Buffer {
  const start = frames[0]!.time
  const blocks = frames.map(({ time, isKey, data }) => {
    const head = Buffer.from([0x81, 0, 0, isKey ? 0x80 : 0])
    head.writeInt16BE(time - start, 1)
    return element('a3', head, data)
  })
  return element(ID.cluster, element('e7', number(start)), ...blocks)
}

/** Sizes are written in eight bytes, which is always allowed. */
function element(id: string, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  const size = Buffer.alloc(8)
  size.writeBigUInt64BE(BigInt(body.length) | (1n << 56n))
  return Buffer.concat([Buffer.from(id, 'hex'), size, body])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleBE(value)
  return bytes
}

function text(value: string): Buffer {
  return Buffer.from(value)
}
