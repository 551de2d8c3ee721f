/** Bytes of an unmasked text frame (RFC 6455, section 5.2), made once and written to many sockets. */
export function textFrame(text: string | Buffer): Buffer {
  const length = Buffer.byteLength(text)
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = Buffer.allocUnsafe(header + length)
  frame[0] = 0x81 // final fragment, text
  if (header === 2) frame[1] = length
  else if (header === 4) {
    frame[1] = 126
    frame.writeUInt16BE(length, 2)
  } else {
    frame[1] = 127
    frame.writeBigUInt64BE(BigInt(length), 2)
  }
  if (typeof text === 'string') frame.write(text, header, 'utf8')
  else frame.set(text, header)
  return frame
}

/** The answer to a ping, with its payload of at most 125 bytes (RFC 6455, section 5.5.3). */
export function pongFrame(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x8a, payload.length]), payload])
}

/** A ping without payload (RFC 6455, section 5.5.2). */
export const pingFrame: Buffer = Buffer.from([0x89, 0])
