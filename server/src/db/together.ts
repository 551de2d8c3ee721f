/**
 * Waits for statements of one transaction that were begun at once: on SQLite they share one trip to the writer's thread,
 * on PostgreSQL they run one after the other. All of them have ended when it resolves or rejects, as a statement must not
 * outlive its transaction.
 *
 * @throws what the first of them that failed has thrown
 */
export async function together<T extends readonly Promise<unknown>[] | []>(
  statements: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const outcomes = await Promise.allSettled<unknown>(statements)
  const failed = outcomes.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
  // Now it answers at once, with the values in their places.
  return Promise.all(statements)
}
