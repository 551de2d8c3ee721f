import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold } from './fold.ts'
import { wordsOf } from './words.ts'

describe('folding', () => {
  test('does nothing more the second time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(fold(fold(text))).toBe(fold(text))
      }),
    )
  })

  test.each([
    ['case', 'HELLO World', 'hello world'],
    ['accents', 'Crème Brûlée, garçon, Ångström', 'creme brulee, garcon, angstrom'],
    ['composed and decomposed letters', 'caf\u00e9', fold('cafe\u0301')],
    ['letters that are written as two', 'Straße Ærø Œuvre', 'strasse aero oeuvre'],
    ['letters that other keyboards lack', 'Łódź Đakovo Søren ıİ', 'lodz dakovo soren ii'],
    ['compatibility forms', 'ﬁn ＡＢＣ １２ ｶﾞ', 'fin abc 12 ガ'],
    ['sigmas', 'ΟΔΟΣ οδός', 'οδοσ οδοσ'],
    ['й stays, ё does not', 'Мой ёж', 'мой еж'],
    ['points of Hebrew and Arabic', 'שָׁלוֹם مَرْحَبًا كـتـاب', 'שלום مرحبا كتاب'],
    ['what shows nothing', 'soft\u00adhyphen zero\u200bwidth', 'softhyphen zerowidth'],
  ])('%s', (_what, text, folded) => {
    expect(fold(text)).toBe(folded)
  })

  test('keeps the vowels of scripts that write them as marks, and the syllables of Korean', () => {
    expect(fold('हिन्दी')).toBe('हिन्दी')
    expect(fold('한국어')).toBe('한국어')
  })
})

describe('the words of a text', () => {
  const inOrder = (text: string): readonly string[] => wordsOf(text).inOrder

  test.each([
    ['Hello, world!', ['hello', 'world']],
    ["don't l'amour", ['don', 't', 'l', 'amour']],
    ['snake_case kebab-case 3.14', ['snake', 'case', 'kebab', 'case', '3', '14']],
    ['https://example.org/a?b=c', ['https', 'example', 'org', 'a', 'b', 'c']],
    ['a\nb\tc', ['a', 'b', 'c']],
    ['nice 🎉👩‍👩‍👧 🇩🇪', ['nice', '🎉', '👩', '👩', '👧', '🇩🇪']],
    ['!?… -- ', []],
    ['', []],
  ])('%j', (text, words) => {
    expect(inOrder(text)).toEqual(words)
  })

  test('what is written without spaces comes in pairs of characters, and its characters besides', () => {
    expect(wordsOf('東京タワーへ行く')).toEqual({
      inOrder: ['東京', '京タ', 'タワ', 'ワー', 'ーへ', 'へ行', '行く'],
      characters: new Set('東京タワーへ行く'),
    })
    expect(wordsOf('2026年 in 京')).toEqual({
      inOrder: ['2026', '年', 'in', '京'],
      characters: new Set('年京'),
    })
    expect(inOrder('สวัสดี')).toEqual(['สว', 'วั', 'ัส', 'สด', 'ดี'])
    expect(inOrder('한국어')).toEqual(['한국', '국어'])
  })

  test('a text without end has an end here', () => {
    expect(inOrder('word '.repeat(20_000))).toHaveLength(5000)
    expect(inOrder('京'.repeat(20_000))).toHaveLength(5000)
    expect(inOrder('x'.repeat(20_000))).toEqual(['x'.repeat(64)])
  })

  test('any text can be taken apart, and its parts are found in it whatever stands around them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
        expect(inOrder(`${a} , ${b}`)).toEqual([...inOrder(a), ...inOrder(b)])
      }),
    )
  })
})
