/*
 * Messages here are plain text; elsewhere they are HTML. What comes in is reduced to the text that it shows, so that
 * nothing of its markup is ever stored or sent to a client. What goes out is escaped.
 */

/** Elements whose content nobody reads. */
const SILENT = new Set(['script', 'style', 'template', 'noscript', 'iframe', 'object', 'svg', 'math', 'head'])
/** Elements that stand in lines of their own. */
const BLOCKS = new Set([
  'p',
  'div',
  'blockquote',
  'pre',
  'ul',
  'ol',
  'li',
  'h1',
  'h2',
  'h3',
  'h4',
  'h5',
  'h6',
])
const PARAGRAPHS = new Set(['p', 'blockquote', 'pre', 'ul', 'ol', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6'])
const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  shy: '\u00ad',
}
interface OpenLink {
  readonly href: string | undefined
  readonly isMention: boolean
  text: string
}

/**
 * The text that HTML shows. A link to somewhere else than its text says is followed by its address, and a mention of
 * one of `addressees` is left out where the text begins: everybody knows to whom it is.
 */
export function htmlToText(html: string, addressees: ReadonlySet<string> = new Set()): string {
  let text = ''
  let silent: string | undefined
  let link: OpenLink | undefined
  const append = (piece: string): void => {
    if (link) link.text += piece
    else text += piece
  }
  const closeLink = (): void => {
    if (!link) return
    const { href, isMention, text: label } = link
    link = undefined
    const isAddressee = isMention && href !== undefined && addressees.has(href)
    if (isAddressee && text.trim() === '') return
    append(isMention || href === undefined || shows(label, href) ? label : `${label} (${href})`)
  }
  for (const { text: piece, tag } of tokensOf(html)) {
    if (silent !== undefined) {
      if (tag?.isEnd && tag.name === silent) silent = undefined
      continue
    }
    if (!tag) append(decode(piece))
    else if (!tag.isEnd && SILENT.has(tag.name)) silent = tag.name
    else if (tag.name === 'br') append('\n')
    else if (tag.name === 'a') {
      closeLink()
      if (!tag.isEnd) link = openLink(tag.attributes)
    } else if (BLOCKS.has(tag.name)) append(PARAGRAPHS.has(tag.name) ? '\n\n' : '\n')
  }
  closeLink()
  return text
    .replace(/[ \t]+\n/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

/** Text as HTML in which nothing but its own addresses is a link. */
export function textToHtml(text: string): string {
  const paragraphs = text.split(/\n{2,}/).map((paragraph) => linkify(paragraph).replaceAll('\n', '<br>'))
  return paragraphs.map((paragraph) => `<p>${paragraph}</p>`).join('')
}

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

function linkify(text: string): string {
  return text
    .split(/(https?:\/\/[^\s<>"']{1,2000}[^\s<>"'.,;:!?)\]}])/)
    .map((piece, index) => {
      const escaped = escapeHtml(piece)
      return index % 2 === 0
        ? escaped
        : `<a href="${escaped}" rel="nofollow noopener noreferrer">${escaped}</a>`
    })
    .join('')
}

interface Token {
  /** Of what is no tag. */
  readonly text: string
  readonly tag: { readonly name: string; readonly isEnd: boolean; readonly attributes: string } | undefined
}

const TAG = /<(\/?)([a-zA-Z][a-zA-Z0-9]*)/y

/** Text and tags in their order, comments left out. Looks at each character a bounded number of times. */
function* tokensOf(html: string): Generator<Token> {
  for (let at = 0; at < html.length;) {
    if (html.startsWith('<!--', at)) {
      const end = html.indexOf('-->', at + 4)
      if (end === -1) return
      at = end + 3
      continue
    }
    TAG.lastIndex = at
    const [start, slash, name] = TAG.exec(html) ?? []
    const end = start === undefined ? -1 : endOfTag(html, at + start.length)
    if (start !== undefined && end !== -1) {
      const attributes = html.slice(at + start.length, end)
      yield { text: '', tag: { name: name!.toLowerCase(), isEnd: slash === '/', attributes } }
      at = end + 1
      continue
    }
    // A tag that never ends is none, and then there is none behind it either.
    const next = start === undefined ? html.indexOf('<', at + 1) : -1
    const text = html.slice(at, next === -1 ? html.length : next)
    yield { text, tag: undefined }
    at += text.length
  }
}

/** Where the `>` of a tag is that stands in no quotes. */
function endOfTag(html: string, from: number): number {
  for (let at = from; at < html.length; at++) {
    const character = html[at]
    if (character === '>') return at
    if (character !== '"' && character !== "'") continue
    at = html.indexOf(character, at + 1)
    if (at === -1) return -1
  }
  return -1
}

function openLink(attributes: string): OpenLink {
  const href = decode(attributeOf(attributes, 'href') ?? '')
  const classes = (attributeOf(attributes, 'class') ?? '').split(/\s+/)
  // Of addresses, only those of the web: whatever else could do something when it is clicked.
  const isWeb = /^https?:\/\//i.test(href) && URL.canParse(href)
  return { href: isWeb ? href : undefined, isMention: classes.includes('mention'), text: '' }
}

function attributeOf(attributes: string, name: string): string | undefined {
  for (const [, key, double, single, bare] of attributes.matchAll(
    /([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))/g,
  )) {
    if (key!.toLowerCase() === name) return double ?? single ?? bare
  }
  return undefined
}

/** Whether a label says where its link leads: the address, or its beginning up to where a part of it ends. */
function shows(label: string, href: string): boolean {
  const plain = (text: string): string =>
    text
      .trim()
      .replace(/^https?:\/\/(www\.)?/i, '')
      .replace(/\/$/, '')
  const [said, meant] = [plain(label), plain(href)]
  if (said === meant) return true
  return said.includes('/') && meant.startsWith(said) && /[/?#]/.test(meant[said.length] ?? '')
}

function decode(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-zA-Z]{2,8}));/g,
    (whole, decimal, hex, name) => {
      if (typeof name === 'string') return ENTITIES[name] ?? whole
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
      return code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff)
        ? String.fromCodePoint(code)
        : ''
    },
  )
}
