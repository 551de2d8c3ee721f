import type { IndexedMessage } from './search-index.ts'

const LINK = /\bhttps?:\/\/[^\s/]/i

/** What a message may contain, for `has:`. A new kind needs another version of the rules to be found in old messages. */
export const contentKinds: Readonly<Record<string, (message: IndexedMessage) => boolean>> = {
  link: ({ text }) => LINK.test(text),
  file: ({ files }) => files.length > 0,
  image: ({ files }) => files.some(({ kind }) => kind === 'image'),
  video: ({ files }) => files.some(({ kind }) => kind === 'video'),
  audio: ({ files }) => files.some(({ kind }) => kind === 'audio'),
}

/** The kinds of content that a message has. */
export function kindsIn(message: IndexedMessage): string[] {
  return Object.keys(contentKinds).filter((kind) => contentKinds[kind]!(message))
}
