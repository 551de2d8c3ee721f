import type { Db } from '#db/database.ts'

/** What others said about themselves last who follow a person here or share a conversation with them. */
export async function acquaintedActors(db: Db, userId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('remote_actor')
    .select('document')
    .where('gone_at', 'is', null)
    .where((where) =>
      where.or([
        where('id', 'in', (eb) =>
          eb
            .selectFrom('federation_follow')
            .select('actor_id')
            .where('user_id', '=', userId)
            .where('direction', '=', 'in')
            .where('state', '=', 'accepted'),
        ),
        where('user_id', 'in', (eb) =>
          eb
            .selectFrom('channel_member as mine')
            .innerJoin('conversation', 'conversation.channel_id', 'mine.channel_id')
            .innerJoin('channel_member as theirs', 'theirs.channel_id', 'mine.channel_id')
            .select('theirs.user_id')
            .where('mine.user_id', '=', userId),
        ),
      ]),
    )
    .execute()
  return rows.map(({ document }) => document)
}
