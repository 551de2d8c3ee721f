import type { Client } from '../client-address.ts'

/** That a client is blocked. */
export interface Block {
  /** Until when; null if for good. */
  readonly expiresAt: number | null
}

/** Who is let in for nothing at all. */
export interface Blocklist {
  /** Whether this client is blocked. Asked for every request, before anything else. */
  find(client: Client): Block | undefined
}
