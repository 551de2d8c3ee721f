/** The way to the other processes of this server. What it carries may get lost; it never comes twice or out of order. */
export interface Link extends AsyncDisposable {
  /** Whether what is sent now is likely to arrive. */
  readonly isUp: boolean
  /** Sends to all other processes, without waiting. */
  send(bytes: Buffer): void
}

export interface LinkListener {
  /** Something came, also what this process sent itself. */
  readonly onBytes: (bytes: Buffer) => void
  /** The link came up, for the first time or again: what was sent meanwhile did not arrive. */
  readonly onUp: () => void
  /** Something that was sent did not get away. */
  readonly onLost: () => void
}
