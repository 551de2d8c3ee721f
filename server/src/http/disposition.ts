/**
 * A `Content-Disposition` header (RFC 6266) with the name of a file: in ASCII for old clients, and as it is, percent
 * encoded (RFC 8187), for all others.
 *
 * @param name without control characters
 */
export function contentDisposition(type: 'inline' | 'attachment', name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]/g, '_').replace(/["\\%]/g, '_')
  const header = `${type}; filename="${ascii}"`
  return ascii === name ? header : `${header}; filename*=UTF-8''${percentEncode(name)}`
}

/** All but `attr-char` of RFC 8187, section 3.2.1. */
function percentEncode(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
