import { generateKeyPairSync, type KeyObject } from 'node:crypto'

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const pairs = new Map<string, KeyPair>()

/** An RSA key pair by a name of the test's choice. Made once for all tests of a file: it takes long. */
export function keyPair(name: string): KeyPair {
  let pair = pairs.get(name)
  if (!pair) {
    pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
    pairs.set(name, pair)
  }
  return pair
}
