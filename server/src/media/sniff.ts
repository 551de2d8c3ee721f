import { compoundFileType, zipType } from './sniff/archives.ts'
import { bmpType, bySignature, pngType, windowsProgram } from './sniff/signatures.ts'
import { audioFramesType, isoMediaType, matroskaType, oggType, transportStreamType } from './sniff/streams.ts'
import { textType, type Charset } from './sniff/text.ts'
import { extensionOf, kindOf, type MediaKind, type MediaType } from './sniff/types.ts'

/** As many bytes from the start of a file as {@link sniff} wants. More are not looked at; fewer may do. */
export const SNIFF_BYTES = 4096

export interface Sniffed {
  /** A type of ours, without parameters. What is not known is `application/octet-stream`. */
  readonly mime: MediaType
  /** Whatever a browser may run (HTML, SVG, XML) is a `file`, never an `image` or a `document`. */
  readonly kind: MediaKind
  /** Without a dot, lower case. */
  readonly extension: string
  /** Of text in Unicode; missing for anything else. */
  readonly charset?: Charset
}

/**
 * What a file is, by its content. The name never decides alone: it chooses among types that the content allows,
 * such as `.csv` for plain text or `.doc` for a compound file.
 *
 * After the WHATWG's MIME Sniffing standard, with more types.
 *
 * @param head the first {@link SNIFF_BYTES} bytes, or the whole file if it is shorter
 */
export function sniff(head: Uint8Array, name = ''): Sniffed {
  const bytes = Buffer.from(head.buffer, head.byteOffset, Math.min(head.byteLength, SNIFF_BYTES))
  const extension = /\.([a-z\d]{1,10})$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  const type =
    pngType(bytes) ??
    isoMediaType(bytes) ??
    matroskaType(bytes) ??
    oggType(bytes) ??
    zipType(bytes, extension) ??
    compoundFileType(bytes, extension) ??
    bySignature(bytes) ??
    bmpType(bytes) ??
    windowsProgram(bytes) ??
    audioFramesType(bytes) ??
    transportStreamType(bytes)
  if (type) return describe(type)
  const text = textType(bytes, extension)
  return text ? describe(text.type, text.charset) : describe('application/octet-stream')
}

function describe(type: MediaType, charset?: Charset): Sniffed {
  return { mime: type, kind: kindOf(type), extension: extensionOf(type), ...(charset && { charset }) }
}
