import { networkOf, type Network } from './ip.ts'

/**
 * Values by network, found by any address inside. A look costs one step for each length of prefix that there is,
 * however many networks there are.
 */
export class NetworkMap<V> {
  /** By family, by prefix, by bytes. */
  readonly #families = { 4: new Map<number, Map<string, V>>(), 6: new Map<number, Map<string, V>>() }
  #size = 0

  get size(): number {
    return this.#size
  }

  set({ family, prefix, bytes }: Network, value: V): void {
    let networks = this.#families[family].get(prefix)
    if (!networks) {
      networks = new Map()
      this.#families[family].set(prefix, networks)
    }
    if (!networks.has(bytes)) this.#size++
    networks.set(bytes, value)
  }

  delete({ family, prefix, bytes }: Network): void {
    const networks = this.#families[family].get(prefix)
    if (!networks?.delete(bytes)) return
    this.#size--
    if (networks.size === 0) this.#families[family].delete(prefix)
  }

  clear(): void {
    this.#families[4].clear()
    this.#families[6].clear()
    this.#size = 0
  }

  /** The value of a network that contains the address and that `accepts` takes. */
  find(address: Network, accepts: (value: V) => boolean): V | undefined {
    if (this.#size === 0) return undefined
    for (const [prefix, networks] of this.#families[address.family]) {
      const value = networks.get(networkOf(address, prefix).bytes)
      if (value !== undefined && accepts(value)) return value
    }
    return undefined
  }
}
