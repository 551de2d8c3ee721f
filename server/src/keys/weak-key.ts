/** What makes the bytes of a key guessable, in words for the operator; `undefined` if nothing does. */
export function weaknessOf(bytes: Uint8Array): string | undefined {
  // Each of these happens to a random key less than once in 10^13 times.
  if (hasConstantStep(bytes)) return 'it is a plain sequence of bytes'
  if (repeats(bytes)) return 'it repeats a short pattern'
  if (bytes.every((byte) => byte >= 0x20 && byte < 0x7f)) return 'it is readable text'
  return undefined
}

/** All bytes equal, 0 to 31, 255 downwards and the like. */
function hasConstantStep(bytes: Uint8Array): boolean {
  const step = (bytes[1]! - bytes[0]!) & 0xff
  return bytes.every((byte, i) => i === 0 || ((byte - bytes[i - 1]!) & 0xff) === step)
}

function repeats(bytes: Uint8Array): boolean {
  return [2, 4, 8, 16].some((period) => bytes.every((byte, i) => byte === bytes[i % period]))
}
