import type { ChannelCategoryTable, ChannelTable } from '#db/tables.ts'

type Placed = Pick<ChannelTable, 'id' | 'category_id' | 'position' | 'created_at'>

/**
 * Channels as lists show them: those without a category, then category by category, in each by position, what was not
 * placed last, the oldest first.
 *
 * @param categories in their order
 */
export function inOrder<C extends Placed>(
  channels: readonly C[],
  categories: readonly Pick<ChannelCategoryTable, 'id'>[],
): C[] {
  const ranks = new Map<string | null, number>(categories.map(({ id }, index) => [id, index]))
  const rank = ({ category_id }: C): number => ranks.get(category_id) ?? -1
  const position = (channel: C): number => channel.position ?? Number.MAX_SAFE_INTEGER
  return channels.toSorted(
    (a, b) =>
      rank(a) - rank(b) || position(a) - position(b) || a.created_at - b.created_at || (a.id < b.id ? -1 : 1),
  )
}
