import { expect, test } from 'vitest'
import { encryptPush, parseReceiverKeys } from './web-push.ts'

const decode = (text: string): Buffer => Buffer.from(text, 'base64url')

const example = {
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
}

test('what is encrypted with the keys of RFC 8291, section 5, is its ciphertext', () => {
  const sealed = encryptPush(
    Buffer.from('When I grow up, I want to be a watermelon'),
    parseReceiverKeys(example)!,
    {
      privateKey: decode('yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw'),
      salt: decode('DGv6ra1nlYgDCS1FRnbzlw'),
    },
  )
  expect(sealed.toString('base64url')).toBe(
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz' +
      'AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
  )
})

test.each([
  [{ ...example, auth: 'BTBZMqHH6r4Tts7J_aSI' }],
  [{ ...example, p256dh: example.p256dh.slice(0, -4) }],
  [{ ...example, p256dh: Buffer.alloc(65, 4).toString('base64url') }],
  [{ ...example, p256dh: `${example.p256dh.slice(0, -3)}AAA` }],
  [{ p256dh: '', auth: '' }],
])('keys that are none are refused: %j', (keys) => {
  expect(parseReceiverKeys(keys)).toBeUndefined()
})
