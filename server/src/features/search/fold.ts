/**
 * Marks that are easily left out when one types: accents of Latin, Greek and Cyrillic letters, points of Hebrew and
 * Arabic ones, the Arabic stretch; and what shows nothing. Marks of other scripts stay: there they are vowels. So does
 * the breve of й, which is a letter of its own.
 */
const EASILY_LEFT_OUT =
  // oxlint-disable-next-line no-misleading-character-class -- they are meant one by one
  /(?<!\u0438)\u0306|[\u0300-\u0305\u0307-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\p{Default_Ignorable_Code_Point}]/gu
/** Letters that Unicode does not take apart, as they are written where the keyboard lacks them. */
const SPELLED_OUT: Readonly<Record<string, string>> = {
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ħ: 'h',
  ı: 'i',
  ł: 'l',
  ŧ: 't',
  þ: 'th',
  ς: 'σ',
}
const SPELLED_OUT_LETTERS = new RegExp(`[${Object.keys(SPELLED_OUT).join('')}]`, 'gu')
// oxlint-disable-next-line no-control-regex -- all of ASCII is what is meant
const ASCII = /^[\u0000-\u007f]*$/

/**
 * Text as it is compared: without regard to case, accents and compatibility forms (NFKC, full-width letters, ligatures).
 * Folding twice is folding once.
 */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase()
  return (
    caseless(text.normalize('NFKD'))
      .replace(EASILY_LEFT_OUT, '')
      .replace(SPELLED_OUT_LETTERS, (letter) => SPELLED_OUT[letter]!)
      // Puts together again what must not stay in parts, such as the syllables of Korean.
      .normalize('NFC')
  )
}

/** Lower, upper, lower: also folds letters whose upper case is two letters, such as ß. */
function caseless(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().normalize('NFKD')
}
