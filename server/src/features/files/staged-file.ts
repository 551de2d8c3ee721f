import type { Kind } from './policy.ts'
import type { StagedBlob, Vault } from './vault.ts'

/** An upload that arrived whole and is safe in a store. Disposing of it gives up what no transaction has taken. */
export interface StagedFile extends AsyncDisposable {
  /** As people see it. */
  readonly name: string
  readonly kind: Kind
  readonly type: string
  readonly extension: string
  readonly width: number | null
  readonly height: number | null
  readonly isAnimated: boolean
  readonly main: StagedBlob
  readonly thumbnails: readonly StagedThumbnail[]
  /** To be called once a transaction that took it has committed: there is nothing to give up then. */
  kept(): void
}

export interface StagedThumbnail {
  readonly width: number
  readonly height: number
  readonly blob: StagedBlob
}

export function stagedFile(
  vault: Vault,
  facts: Omit<StagedFile, 'kept' | typeof Symbol.asyncDispose>,
): StagedFile {
  let isKept = false
  return {
    ...facts,
    kept: () => {
      isKept = true
    },
    [Symbol.asyncDispose]: async () => {
      if (isKept) return
      isKept = true
      await vault.abandon(
        [facts.main, ...facts.thumbnails.map(({ blob }) => blob)].map(({ object }) => object),
      )
    },
  }
}
