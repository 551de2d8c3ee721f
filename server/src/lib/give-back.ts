/**
 * Gives the memory of a buffer back at once. The collector counts what lies outside of its heap only roughly, and lets
 * tens of megabytes of it gather while a large file passes through.
 *
 * Only for memory that is certain to be nobody else's: it is gone for whoever still holds any view of it.
 */
export function giveBack(memory: ArrayBufferLike): void {
  // ECMAScript 2024, ArrayBuffer.prototype.transfer: moves the content into a buffer of no bytes, and detaches this one.
  if (memory instanceof ArrayBuffer && !memory.detached) memory.transfer(0)
}
