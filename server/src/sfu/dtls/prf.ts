import { createHmac } from 'node:crypto'

/** The pseudorandom function of TLS 1.2 with SHA-256 (RFC 5246 section 5). */
export function prf(secret: Buffer, label: string, seed: Buffer, length: number): Buffer {
  const labelAndSeed = Buffer.concat([Buffer.from(label, 'ascii'), seed])
  const out: Buffer[] = []
  let a = labelAndSeed
  for (let made = 0; made < length; made += 32) {
    a = createHmac('sha256', secret).update(a).digest()
    out.push(createHmac('sha256', secret).update(a).update(labelAndSeed).digest())
  }
  return Buffer.concat(out).subarray(0, length)
}
