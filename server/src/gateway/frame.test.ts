import type { EventEmitter } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import * as ws from 'ws'
import { pingFrame, textFrame } from './frame.ts'

interface Parser extends EventEmitter {
  write(chunk: Buffer): void
}

/** Exported, but not by its types. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Parser }

/** What a client's parser makes of the bytes. */
function read(bytes: Buffer): { texts: string[]; pings: number } {
  const receiver = new Receiver({ isServer: false })
  const got = { texts: [] as string[], pings: 0 }
  receiver.on('message', (data: Buffer) => void got.texts.push(data.toString('utf8')))
  receiver.on('ping', () => void got.pings++)
  receiver.on('error', (error: Error) => {
    throw error
  })
  receiver.write(bytes)
  return got
}

test('any text arrives as it was written', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
      expect(read(textFrame(text)).texts).toEqual([text])
    }),
  )
})

test.each([0, 1, 125, 126, 127, 65_535, 65_536, 200_000])(
  'a frame of %i bytes has the right length',
  (length) => {
    const frame = textFrame('x'.repeat(length))
    expect(frame.length).toBe(length + (length < 126 ? 2 : length < 65_536 ? 4 : 10))
    expect(read(frame).texts).toEqual(['x'.repeat(length)])
  },
)

test('the length counts bytes, not characters', () => {
  const text = '🐡'.repeat(50)
  expect(textFrame(text)[1]).toBe(126)
  expect(read(textFrame(text)).texts).toEqual([text])
})

test('a ping is a ping', () => {
  expect(read(pingFrame)).toEqual({ texts: [], pings: 1 })
})
