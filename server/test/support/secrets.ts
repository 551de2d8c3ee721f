/** Every secret that a test used, to prove that none of them got where it must not. */
export class Secrets {
  readonly #secrets = new Set<string>()

  /** Takes note of a secret and hands it back. Very short ones would be found by chance. */
  add(secret: string): string {
    if (secret.length >= 8) this.#secrets.add(secret)
    return secret
  }

  /** The secrets that stand in `text`, shortened. */
  foundIn(text: string): string[] {
    return [...this.#secrets]
      .filter((secret) => text.includes(secret))
      .map((secret) => `${secret.slice(0, 12)}…`)
  }
}
