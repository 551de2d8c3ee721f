import { Counter, Gauge, type Registry } from 'prom-client'
import type { BlockedIps } from './blocklist.ts'

/** Figures about blocks, read when they are asked for. */
export function observeBlocks(registry: Registry, blocked: BlockedIps): void {
  const registers = [registry]
  void new Gauge({
    name: 'pufferblow_blocked_networks',
    help: 'Addresses and networks that are blocked',
    registers,
    collect() {
      this.set(blocked.size)
    },
  })
  void new Counter({
    name: 'pufferblow_blocked_requests_total',
    help: 'Requests and sockets from blocked addresses',
    registers,
    collect() {
      this.reset()
      this.inc(blocked.refused)
    },
  })
}
