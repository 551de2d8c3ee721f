const LENGTH = 200

/** The beginning of a text, for those who see only that a message answers it. */
export function excerptOf(text: string): string {
  // No character is longer than two units, so this is enough of it.
  const characters = Array.from(text.slice(0, 2 * LENGTH + 2))
  return characters.length <= LENGTH ? text : `${characters.slice(0, LENGTH).join('')}…`
}
