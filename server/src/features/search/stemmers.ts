import type { SearchLanguage } from '#config/schema.ts'

/** Reduces a folded word to its stem, so that `meetings` is found by `meeting`. */
export type Stemmer = (word: string) => string

/** Snowball's stemmers (https://snowballstem.org), each loaded when its language is asked for. */
const modules: Readonly<Record<SearchLanguage, () => Promise<{ stemmer: Stemmer }>>> = {
  arabic: () => import('@orama/stemmers/arabic'),
  armenian: () => import('@orama/stemmers/armenian'),
  bulgarian: () => import('@orama/stemmers/bulgarian'),
  danish: () => import('@orama/stemmers/danish'),
  dutch: () => import('@orama/stemmers/dutch'),
  english: () => import('@orama/stemmers/english'),
  finnish: () => import('@orama/stemmers/finnish'),
  french: () => import('@orama/stemmers/french'),
  german: () => import('@orama/stemmers/german'),
  greek: () => import('@orama/stemmers/greek'),
  hungarian: () => import('@orama/stemmers/hungarian'),
  indonesian: () => import('@orama/stemmers/indonesian'),
  irish: () => import('@orama/stemmers/irish'),
  italian: () => import('@orama/stemmers/italian'),
  lithuanian: () => import('@orama/stemmers/lithuanian'),
  norwegian: () => import('@orama/stemmers/norwegian'),
  portuguese: () => import('@orama/stemmers/portuguese'),
  romanian: () => import('@orama/stemmers/romanian'),
  russian: () => import('@orama/stemmers/russian'),
  spanish: () => import('@orama/stemmers/spanish'),
  swedish: () => import('@orama/stemmers/swedish'),
  turkish: () => import('@orama/stemmers/turkish'),
  ukrainian: () => import('@orama/stemmers/ukrainian'),
}

/** Letters only, and few enough to be a word of a language. */
const STEMMABLE = /^\p{L}{3,40}$/u

/** The stemmers of `languages`; what is no word of any language is its own stem. */
export function loadStemmers(languages: readonly SearchLanguage[]): Promise<Stemmer[]> {
  return Promise.all(
    languages.map(async (language) => {
      const { stemmer } = await modules[language]()
      return (word: string) => (STEMMABLE.test(word) ? stemmer(word) : word)
    }),
  )
}
