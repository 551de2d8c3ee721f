import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { sniff, SNIFF_BYTES } from './sniff.ts'

const latin = (text: string): Buffer => Buffer.from(text, 'latin1')
const typeOf = (bytes: Uint8Array | string, name?: string): string =>
  sniff(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, name).mime

const box = (type: string, ...content: Buffer[]): Buffer => {
  const body = Buffer.concat(content)
  const header = Buffer.alloc(8)
  header.writeUInt32BE(body.length + 8)
  header.write(type, 4, 'latin1')
  return Buffer.concat([header, body])
}
const ftyp = (major: string, ...compatible: string[]): Buffer =>
  box('ftyp', latin(major), Buffer.alloc(4), ...compatible.map(latin))

const zip = (...names: string[]): Buffer =>
  Buffer.concat(
    names.map((name) => {
      const header = Buffer.alloc(30)
      header.write('PK\u0003\u0004', 'latin1')
      header.writeUInt16LE(name.length, 26)
      return Buffer.concat([header, Buffer.from(name), Buffer.from('x')])
    }),
  )
const mimetypeEntry = (type: string): Buffer => {
  const header = zip('mimetype').subarray(0, 38)
  header.writeUInt32LE(type.length, 22)
  return Buffer.concat([header, latin(type), zip('content.xml')])
}

describe('pictures of real encoders are told apart', () => {
  const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
  const made = {
    'image/jpeg': picture.clone().jpeg(),
    'image/png': picture.clone().png(),
    'image/gif': picture.clone().gif(),
    'image/webp': picture.clone().webp(),
    'image/avif': picture.clone().avif(),
    'image/tiff': picture.clone().tiff(),
  }
  test.each(Object.entries(made))('%s', async (mime, encoder) => {
    expect(sniff(await encoder.toBuffer(), 'page.html')).toMatchObject({ mime, kind: 'image' })
  })
})

test.each([
  ['video/mp4', ftyp('isom', 'iso2', 'avc1', 'mp41')],
  ['video/mp4', ftyp('mp42')],
  ['video/quicktime', ftyp('qt  ')],
  ['video/quicktime', Buffer.concat([box('wide'), latin('\0\0\0\x01mdat')])],
  ['video/3gpp', ftyp('3gp5')],
  ['audio/mp4', ftyp('M4A ', 'isom')],
  ['image/heic', ftyp('heic', 'mif1')],
  ['image/heic', ftyp('mif1', 'heic')],
  ['image/heif', ftyp('mif1', 'abcd')],
  ['image/avif', ftyp('mif1', 'avif')],
  ['image/avif', ftyp('avis')],
  ['video/webm', latin('\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm')],
  ['video/x-matroska', latin('\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska')],
  ['video/x-msvideo', latin('RIFF\0\0\0\0AVI LIST')],
  ['audio/wav', latin('RIFF\0\0\0\0WAVEfmt ')],
  ['audio/flac', latin('fLaC\0\0\0\x22')],
  ['audio/mpeg', latin('ID3\x04\0\0')],
  ['audio/ogg', Buffer.concat([latin('OggS'), Buffer.alloc(22), latin('\x01\x1eOpusHead')])],
  ['video/ogg', Buffer.concat([latin('OggS'), Buffer.alloc(22), latin('\x01\x2a\x80theora')])],
  ['application/pdf', latin('%PDF-1.7\n%\xe2\xe3\xcf\xd3')],
  ['application/zip', zip('photo.jpg')],
  ['application/zip', latin('PK\x05\x06' + '\0'.repeat(18))],
  [
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    zip('[Content_Types].xml', 'word/document.xml'),
  ],
  [
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    zip('_rels/.rels', 'xl/workbook.xml'),
  ],
  ['application/vnd.oasis.opendocument.text', mimetypeEntry('application/vnd.oasis.opendocument.text')],
  ['application/epub+zip', mimetypeEntry('application/epub+zip')],
  ['application/java-archive', zip('META-INF/MANIFEST.MF')],
  ['application/x-tar', Buffer.concat([latin('a.txt'), Buffer.alloc(252), latin('ustar\x0000')])],
  ['application/x-elf', latin('\x7fELF\x02\x01\x01')],
  ['image/bmp', Buffer.concat([latin('BM'), Buffer.alloc(12), Buffer.from([40, 0, 0, 0])])],
  ['application/octet-stream', latin('\x00\x01\x02\x03 what is this')],
])('%s is recognised', (mime, bytes) => {
  expect(typeOf(bytes)).toBe(mime)
})

test('an MP3 without a tag is two frames, one where the other ends', () => {
  const frame = Buffer.alloc(417)
  frame.set([0xff, 0xfb, 0x90, 0x00]) // MPEG 1 layer III, 128 kbit/s, 44.1 kHz
  expect(typeOf(Buffer.concat([frame, frame]))).toBe('audio/mpeg')
  expect(typeOf(Buffer.concat([frame, Buffer.alloc(417)]))).toBe('application/octet-stream')
})

test('a PNG moves if it says so before its picture', () => {
  const chunk = (name: string, length: number): Buffer => {
    const bytes = Buffer.alloc(12 + length)
    bytes.writeUInt32BE(length)
    bytes.write(name, 4)
    return bytes
  }
  const start = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', 13)])
  expect(typeOf(Buffer.concat([start, chunk('acTL', 8), chunk('IDAT', 1)]))).toBe('image/apng')
  expect(typeOf(Buffer.concat([start, chunk('IDAT', 1), chunk('acTL', 8)]))).toBe('image/png')
})

describe('what a browser would run is never a picture or a document', () => {
  test.each([
    ['text/html', '<!DOCTYPE html><title>x</title>'],
    ['text/html', '\n\t <script>alert(1)</script>'],
    ['text/html', '\ufeff<HTML>'],
    ['text/html', '<!-- a comment --><body onload=alert(1)>'],
    ['text/html', `<!-- ${'a'.repeat(5000)}`],
    ['text/html', '<iframe src=x>%PDF-1.4'],
    ['text/html', '<a\u0000\u0001\u0002 href="x">'.replace('\u0000', ' ')],
    ['application/xhtml+xml', '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'],
    ['image/svg+xml', '<?xml version="1.0"?>\n<!-- c -->\n<!DOCTYPE svg PUBLIC "-//W3C//DTD" "x">\n<svg/>'],
    ['image/svg+xml', '<x:svg xmlns:x="http://www.w3.org/2000/svg"/>'],
    ['application/xml', '<?xml version="1.0"?><feed/>'],
    ['application/xml', '<r xmlns:h="http://www.w3.org/1999/xhtml"><h:script/></r>'],
  ])('%s', (mime, text) => {
    for (const name of ['picture.png', 'notes.txt', 'x.pdf']) {
      expect(sniff(Buffer.from(text), name)).toMatchObject({ mime, kind: 'file' })
    }
  })

  test('in UTF-16 as well, with and without a mark', () => {
    const page = '<html><script>alert(1)</script></html>'
    const little = Buffer.from(page, 'utf16le')
    const big = Buffer.from(little).swap16()
    expect(typeOf(little)).toBe('text/html')
    expect(typeOf(big)).toBe('text/html')
    expect(typeOf(Buffer.concat([Buffer.from([0xff, 0xfe]), little]))).toBe('text/html')
    expect(typeOf(Buffer.concat([Buffer.from([0xfe, 0xff]), big]))).toBe('text/html')
  })

  test('a script is plain text, so that no page can load it as one', () => {
    expect(typeOf('alert(1)', 'x.js')).toBe('text/plain')
    expect(typeOf('body { color: red }', 'x.css')).toBe('text/plain')
  })
})

test('text says its charset', () => {
  expect(sniff(Buffer.from('Grüße'))).toMatchObject({
    mime: 'text/plain',
    kind: 'document',
    charset: 'utf-8',
  })
  expect(sniff(Buffer.from('Gruesse, lang genug', 'utf16le'))).toMatchObject({ charset: 'utf-16le' })
  expect(sniff(latin('Gr\xfc\xdfe'))).toEqual({ mime: 'text/plain', kind: 'document', extension: 'txt' })
  // Cut in the middle of a character.
  expect(sniff(Buffer.from('Grüße').subarray(0, 3))).toMatchObject({ charset: 'utf-8' })
  expect(sniff(new Uint8Array())).toMatchObject({ mime: 'text/plain' })
})

test('a name chooses only among what the content allows', () => {
  expect(typeOf('a;b\n1;2\n', 'table.csv')).toBe('text/csv')
  expect(typeOf('# Title', 'readme.MD')).toBe('text/markdown')
  expect(typeOf('{"a":1}', 'x.json')).toBe('application/json')
  expect(typeOf('not json', 'x.json')).toBe('text/plain')
  expect(typeOf(zip('[Content_Types].xml'), 'x.docx')).toMatch(/wordprocessingml/)
  expect(typeOf(zip('photo.jpg'), 'x.docx')).toBe('application/zip')
  expect(typeOf('MZ is not a program', 'x.exe')).toBe('text/plain')
  expect(typeOf('plain', 'x.png')).toBe('text/plain')
})

test('a file that is two things is what its first bytes are', () => {
  expect(typeOf('GIF89a/*....*/=1;alert(1)//', 'x.js')).toBe('image/gif')
  expect(typeOf('%PDF-1.4\n<html><script>alert(1)</script>', 'x.html')).toBe('application/pdf')
})

test('only the first bytes count, however many there are', () => {
  const text = Buffer.concat([Buffer.alloc(SNIFF_BYTES, 'a'), Buffer.from([0, 1, 2])])
  expect(typeOf(text)).toBe('text/plain')
  expect(typeOf(text.subarray(1))).toBe('application/octet-stream')
})

test('any bytes get an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.string(), (bytes, name) => {
      expect(sniff(bytes, name).extension).toMatch(/^[a-z0-9]+$/)
    }),
    { numRuns: 500 },
  )
})

test('hostile text is judged in linear time', () => {
  const hostile = [
    '<a xmlns '.repeat(500),
    '<!---->'.repeat(600),
    '<?x>'.repeat(1000),
    '<a' + ' '.repeat(4094),
  ]
  const started = performance.now()
  for (const text of hostile) typeOf(text)
  expect(performance.now() - started).toBeLessThan(5000)
})
