import { createECDH, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto'

/** One side of an elliptic-curve Diffie-Hellman exchange. */
export interface KeyExchange {
  readonly group: number
  readonly publicKey: Buffer
  /** @throws when the other side's key is not a point of the curve */
  secretWith(publicKey: Buffer): Buffer
}

const X25519 = 29
const SECP256R1 = 23

/** Makes a fresh key for the best group that the client has too. @returns undefined when there is none */
export function startKeyExchange(groups: readonly number[]): KeyExchange | undefined {
  if (groups.includes(X25519)) return startX25519()
  return groups.includes(SECP256R1) ? startP256() : undefined
}

function startX25519(): KeyExchange {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  return {
    group: X25519,
    publicKey: Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'),
    secretWith: (theirs) => {
      const key = { kty: 'OKP', crv: 'X25519', x: theirs.toString('base64url') }
      return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) })
    },
  }
}

function startP256(): KeyExchange {
  const ecdh = createECDH('prime256v1')
  return {
    group: SECP256R1,
    publicKey: ecdh.generateKeys(),
    secretWith: (theirs) => ecdh.computeSecret(theirs),
  }
}
