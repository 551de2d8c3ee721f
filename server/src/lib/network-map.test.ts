import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contains, formatNetwork, networkOf, parseAddress, type Network } from './ip.ts'
import { NetworkMap } from './network-map.ts'

/** Few enough for networks to meet. */
const byte = fc.constantFrom(0, 1, 127, 128, 255)
const address = fc.oneof(
  fc.tuple(byte, byte, byte, byte).map((bytes) => parseAddress(bytes.join('.'))!),
  fc
    .tuple(byte, byte, byte)
    .map(([a, b, c]) => parseAddress(`2001:${a.toString(16)}::${b.toString(16)}:${c.toString(16)}`)!),
)
const network = fc
  .tuple(address, fc.nat(128))
  .map(([one, prefix]) => networkOf(one, Math.min(prefix, one.prefix)))

test('an address finds a network exactly when one that it is in was put there, and is taken', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ network, remove: fc.boolean() }), { maxLength: 30 }),
      fc.array(address, { maxLength: 10 }),
      (steps, addresses) => {
        const map = new NetworkMap<Network>()
        const slow = new Map<string, Network>()
        for (const step of steps) {
          const key = formatNetwork(step.network)
          if (step.remove) {
            map.delete(step.network)
            slow.delete(key)
          } else {
            map.set(step.network, step.network)
            slow.set(key, step.network)
          }
          expect(map.size).toBe(slow.size)
        }
        for (const one of [
          ...addresses,
          ...steps.map(({ network: inner }) => networkOf(inner, inner.bytes.length * 8)),
        ]) {
          const all = [...slow.values()].filter((outer) => contains(outer, one))
          const found = map.find(one, () => true)
          if (all.length === 0) expect(found).toBeUndefined()
          else expect(all).toContainEqual(found)
          const narrow = (value: Network): boolean => value.prefix > 20
          expect(map.find(one, narrow) !== undefined).toBe(all.some(narrow))
        }
      },
    ),
  )
})
