import { stemmer } from '@orama/stemmers/english'
import fc from 'fast-check'
import { expect, inject, test } from 'vitest'
import { PostgresSearchStore } from '#features/search/store.postgres.ts'
import type { Person } from '#test/person.ts'
import { find } from '#test/search.ts'
import { startServer } from '#test/server.ts'

const DAY = 24 * 3600 * 1000

/*
 * Compares what the index finds with what somebody finds who reads every message: on random texts, channels, members
 * and queries.
 */

/** Words as they may be written, by what they are. Few, so that they meet often. */
const spellings: Readonly<Record<string, readonly string[]>> = {
  cat: ['cat', 'Cat', 'CAT!'],
  cats: ['cats', 'Cats,'],
  running: ['running'],
  run: ['run', '(run)'],
  cafe: ['café', 'CAFE', 'cafe\u0301'],
  '2026': ['2026', '２０２６'],
  straße: ['Straße', 'STRASSE'],
}
const folded: Readonly<Record<string, string>> = { straße: 'strasse' }
const word = fc.constantFrom(...Object.keys(spellings))
const nameOf = (w: string): string => folded[w] ?? w

interface Said {
  readonly words: readonly string[]
  readonly text: string
  readonly channel: number
  readonly author: number
}

const said: fc.Arbitrary<Said> = fc
  .record({
    spelled: fc.array(
      word.chain((w) => fc.constantFrom(...spellings[w]!).map((text) => ({ word: nameOf(w), text }))),
      { minLength: 1, maxLength: 6 },
    ),
    channel: fc.nat(2),
    author: fc.nat(1),
  })
  .map(({ spelled, channel, author }) => ({
    words: spelled.map((one) => one.word),
    text: spelled.map(({ text }) => text).join(' '),
    channel,
    author,
  }))

interface Condition {
  readonly text: string
  holds(message: Said): boolean
}

const related = (query: string, w: string): boolean =>
  w === query || w === stemmer(query) || stemmer(w) === stemmer(query)
const condition: fc.Arbitrary<Condition> = fc.oneof(
  {
    weight: 4,
    arbitrary: word.map((w) => ({
      text: w,
      holds: ({ words }: Said) => words.some((one) => related(nameOf(w), one)),
    })),
  },
  {
    weight: 2,
    arbitrary: fc.array(word, { minLength: 2, maxLength: 3 }).map((phrase) => ({
      text: `"${phrase.join(' ')}"`,
      holds: ({ words }: Said) =>
        words.some((_, at) => phrase.every((w, index) => words[at + index] === nameOf(w))),
    })),
  },
  fc.nat(2).map((channel) => ({
    text: `in:channel${channel}`,
    holds: (message: Said) => message.channel === channel,
  })),
  fc
    .nat(1)
    .map((author) => ({ text: `from:person${author}`, holds: (message: Said) => message.author === author })),
)
const query = fc
  .record({
    wanted: fc.array(condition, { minLength: 1, maxLength: 3 }),
    unwanted: fc.array(condition, { maxLength: 1 }),
  })
  // Several of the same filter mean any of them.
  .filter(({ wanted }) =>
    ['in:', 'from:'].every((name) => wanted.filter(({ text }) => text.startsWith(name)).length < 2),
  )

test('the index finds exactly what reading everything finds, for each person', async () => {
  const clock = { offset: -75 * DAY }
  await using server = await startServer({ clock })
  // Channel 0 is open, 1 has both people, 2 only the first.
  const people = await server.people('owner', 'person0', 'person1')
  const [owner, ...authors] = people as [Person, Person, Person]
  const channels = [
    await owner.createChannel('channel0'),
    await owner.createChannel('channel1', { private: true, members: authors }),
    await owner.createChannel('channel2', { private: true, members: [authors[0]!] }),
  ]
  const history = fc
    .sample(said, { numRuns: 150, seed: 20_260_101 })
    .map((message) => (message.channel === 2 ? { ...message, author: 0 } : message))
  // Marked, since two messages may say the same. They are of some months.
  for (const [index, { text, channel, author }] of history.entries()) {
    if (index % 10 === 9) {
      server.passTime(5 * DAY)
      for (const [number, person] of authors.entries()) authors[number] = await person.signIn()
    }
    await authors[author]!.send(channels[channel]!, `${text} #${index}`)
  }

  const compare = (numRuns: number) =>
    fc.assert(
      fc.asyncProperty(query, fc.nat(1), async ({ wanted, unwanted }, reader) => {
        const q = [...wanted.map(({ text }) => text), ...unwanted.map(({ text }) => `-${text}`)].join(' ')
        const expected = history
          .map((message, index) => ({ ...message, index }))
          .filter((message) => message.channel < 2 || reader === 0)
          .filter(
            (message) =>
              wanted.every((one) => one.holds(message)) && !unwanted.some((one) => one.holds(message)),
          )
          .map(({ text, index }) => `${text} #${index}`)
          .toReversed()
        expect(await find(authors[reader]!, q, { limit: 50 }), q).toEqual(expected.slice(0, 50))
      }),
      { numRuns },
    )
  await compare(60)
  if (inject('database') === 'sqlite') return
  // PostgreSQL searches a long history part by part: so few messages are a long one for this store.
  Object.assign(server.ctx.search, { store: new PostgresSearchStore(server.ctx.db, 4) })
  await compare(100)
})
