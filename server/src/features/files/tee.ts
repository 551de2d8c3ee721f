/** One of two readers of the same content. */
export interface Branch<T> extends AsyncIterableIterator<T> {
  /** Reads no more; the other one goes on. To be called also by who never began to read. */
  return(): Promise<IteratorResult<T>>
}

interface Step<T> extends PromiseWithResolvers<IteratorResult<T>> {
  waiting: number
}

/** Hands the same content to two readers, at the pace of the slower one. What goes wrong with it goes wrong for both. */
export function tee<T>(content: AsyncIterable<T>): [Branch<T>, Branch<T>] {
  const source = content[Symbol.asyncIterator]()
  const ended: IteratorResult<T> = { done: true, value: undefined }
  let readers = 2
  let step: Step<T> | undefined

  const advance = (): void => {
    if (!step || step.waiting < readers) return
    const { resolve, reject } = step
    step = undefined
    source.next().then(resolve, reject)
  }
  const branch = (): Branch<T> => {
    let reads = true
    return {
      next: () => {
        if (!reads) return Promise.resolve(ended)
        step ??= { ...Promise.withResolvers<IteratorResult<T>>(), waiting: 0 }
        step.waiting++
        const { promise } = step
        advance()
        return promise
      },
      return: async () => {
        if (!reads) return ended
        reads = false
        readers--
        if (readers > 0) advance()
        else await source.return?.()
        return ended
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }
  return [branch(), branch()]
}
