import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeHtml, htmlToText, textToHtml } from './html.ts'

describe('HTML as text', () => {
  test.each([
    [
      '<a href="https://bank.example.evil.example/">https://bank.example</a>',
      'https://bank.example (https://bank.example.evil.example/)',
    ],
    [
      '<a href="https://evil.example/bank.example">bank.example</a>',
      'bank.example (https://evil.example/bank.example)',
    ],
    ['<a href="https://example.org/">example.org</a>', 'example.org'],
    ['<a href="https://www.example.org/a?b">https://example.org/a</a>', 'https://example.org/a'],
    ['<a href="https://example.org/ab">example.org/a</a>', 'example.org/a (https://example.org/ab)'],
    ["<a href='https://example.org/&amp;'>here</a>", 'here (https://example.org/&)'],
    ['<a href=https://example.org/>here</a>', 'here (https://example.org/)'],
    ['<a>nowhere</a>', 'nowhere'],
    [
      '<a href="https://a.example">one<a href="https://b.example">two',
      'one (https://a.example)two (https://b.example)',
    ],
    ['<ul><li>a</li><li>b</li></ul>', 'a\n\nb'],
    ['a<br/>b<BR>c', 'a\nb\nc'],
    ['<script>if (a < b) "</p>"</script>after', 'after'],
    ['<svg><text>x</text></svg>after', 'after'],
    ['<p title="> not the end">text</p>', 'text'],
    ['<p', '<p'],
    ['<<b>>x', '<>x'],
    ['&#0;&#xD800;&#1114112;&#x1F600;', '😀'],
  ])('%s', (html, text) => expect(htmlToText(html)).toBe(text))

  test('a mention of an addressee is left out at the beginning only', () => {
    const mention = (href: string, name: string): string => `<a href="${href}" class="mention">@${name}</a>`
    const ann = 'https://chat.example/ap/users/1'
    const to = new Set([ann])
    expect(htmlToText(`<p>${mention(ann, 'ann')} hello ${mention(ann, 'ann')}</p>`, to)).toBe('hello @ann')
    expect(htmlToText(`<p>${mention('https://other.example/1', 'bob')} hello</p>`, to)).toBe('@bob hello')
  })

  test('whatever comes, it ends soon, and no more comes out than went in', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '<p>',
        '</p>',
        '<script>',
        '</script>',
        '<a href="',
        '">',
        '<!--',
        '-->',
        '&',
        '&#',
        ';',
        '"',
        "'",
        ' ',
      ),
      fc.string({ maxLength: 5 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        const html = pieces.join('')
        // A link gets a space and two brackets around its address.
        expect(htmlToText(html).length).toBeLessThanOrEqual(html.length + 3 * html.split('<a').length)
      }),
      { numRuns: 1000 },
    )
    for (const bomb of [
      '<'.repeat(100_000),
      '<a href="'.repeat(10_000),
      '<!--'.repeat(30_000),
      '&'.repeat(100_000),
      '<a '.repeat(30_000),
    ]) {
      const start = performance.now()
      htmlToText(bomb)
      expect(performance.now() - start).toBeLessThan(5000)
    }
  })
})

describe('text as HTML', () => {
  test('there and back is the same text', () => {
    const line = fc
      .string({ unit: 'grapheme-ascii', maxLength: 40 })
      .map((text) => text.replace(/\s+/g, ' ').trim())
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), (lines) => {
        const text = lines.filter((one) => one !== '').join('\n')
        expect(htmlToText(textToHtml(text))).toBe(text)
      }),
    )
  })

  test('nothing in it is markup but paragraphs, line ends and links', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (text) => {
        const html = textToHtml(text)
        const tags = html.match(/<[^>]*>/g) ?? []
        for (const tag of tags)
          expect(tag).toMatch(
            /^<(?:\/?p|br|\/a|a href="https?:\/\/[^"<>]*" rel="nofollow noopener noreferrer")>$/,
          )
        expect(html.replace(/<[^>]*>/g, '')).not.toMatch(/[<>"']/)
      }),
    )
    expect(escapeHtml(`<a href='x'>"&`)).toBe('&lt;a href=&#39;x&#39;&gt;&quot;&amp;')
  })
})
