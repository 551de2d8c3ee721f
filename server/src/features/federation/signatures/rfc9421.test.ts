import { createPrivateKey, createPublicKey } from 'node:crypto'
import { parseDictionary, type InnerList } from 'structured-headers'
import { describe, expect, test } from 'vitest'
import { verifyClaim, type SignatureAlgorithm } from './claim.ts'
import { checkContentDigest } from './digest.ts'
import type { SignableMessage } from './message.ts'
import { baseOf, readRfc9421, signRfc9421 } from './rfc9421.ts'

/* The examples of RFC 9421, appendix B and section 4.3, as far as they use algorithms that we do. */

const KEYS = {
  'test-key-rsa': {
    kty: 'RSA',
    n: 'hAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrwWEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFqMGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd_QBwVW9OwNFhekro3RtlinV0a75jfZgkne_YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0PuKxI4T-HIaFpv8-rdV6eUgOrB2xeI1dSFFn_nnv5OoZJEIB-VmuKn3DCUcCZSFlQPSXSfBDiUGhwOw76WuSSsf1D4b_vLoJ10w',
    e: 'AQAB',
  },
  'test-key-rsa-pss': {
    kty: 'RSA',
    n: 'r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w',
    e: 'AQAB',
  },
  'test-key-ed25519': { kty: 'OKP', crv: 'Ed25519', x: 'JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs' },
} satisfies Record<string, object>

const BODY = Buffer.from('{"hello": "world"}')
const DIGEST =
  'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:'
const CREATED_MS = 1618884473_000

function exampleRequest(input: string, signature: string): SignableMessage {
  const lines: [string, string][] = [
    ['host', 'example.com'],
    ['date', 'Tue, 20 Apr 2021 02:07:55 GMT'],
    ['content-type', 'application/json'],
    ['content-digest', DIGEST],
    ['content-length', '18'],
    ['signature-input', input],
    ['signature', signature],
  ]
  return {
    method: 'POST',
    target: new URL('https://example.com/foo?param=Value&Pet=dog'),
    fields: new Map(lines.map(([name, value]) => [name, [value]])),
  }
}

const examples = [
  {
    section: 'B.2.1',
    key: 'test-key-rsa-pss',
    algorithm: 'rsa-pss-sha512',
    input: '();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    lines: [],
    signature:
      'd2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==',
  },
  {
    section: 'B.2.2',
    key: 'test-key-rsa-pss',
    algorithm: 'rsa-pss-sha512',
    input:
      '("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    lines: ['"@authority": example.com', `"content-digest": ${DIGEST}`, '"@query-param";name="Pet": dog'],
    signature:
      'LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==',
  },
  {
    section: 'B.2.3',
    key: 'test-key-rsa-pss',
    algorithm: 'rsa-pss-sha512',
    input:
      '("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@query": ?param=Value&Pet=dog',
      '"@authority": example.com',
      '"content-type": application/json',
      `"content-digest": ${DIGEST}`,
      '"content-length": 18',
    ],
    signature:
      'bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==',
  },
  {
    section: 'B.2.6',
    key: 'test-key-ed25519',
    algorithm: 'ed25519',
    input:
      '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    lines: [
      '"date": Tue, 20 Apr 2021 02:07:55 GMT',
      '"@method": POST',
      '"@path": /foo',
      '"@authority": example.com',
      '"content-type": application/json',
      '"content-length": 18',
    ],
    signature: 'wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==',
  },
] as const

describe('the examples of RFC 9421', () => {
  test.each(examples)('$section: the base is the published one, and so is the signature', (example) => {
    const message = exampleRequest(`sig=${example.input}`, `sig=:${example.signature}:`)
    const input = parseDictionary(`sig=${example.input}`).get('sig') as InnerList
    const { base } = baseOf(message, input)
    expect(base).toBe([...example.lines, `"@signature-params": ${example.input}`].join('\n'))
    const claim = {
      scheme: 'rfc9421' as const,
      keyId: example.key,
      algorithm: example.algorithm as SignatureAlgorithm,
      base,
      signature: Buffer.from(example.signature, 'base64'),
    }
    const key = createPublicKey({ key: KEYS[example.key], format: 'jwk' })
    expect(verifyClaim(claim, key)).toBe(true)
    expect(verifyClaim({ ...claim, base: `${base} ` }, key)).toBe(false)
    const flipped = Buffer.from(claim.signature)
    flipped[7]! ^= 1
    expect(verifyClaim({ ...claim, signature: flipped }, key)).toBe(false)
  })

  test('4.3: the signature of a proxy, with the RSA padding that most use', () => {
    const input =
      '("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded");created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540'
    const signature =
      'S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+MjniOaYmdkDcnL9cCpXJleXsOckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+7X5kXQfi8NMaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9ddzirrswsE1w5o0LV/g=='
    const original = exampleRequest(`proxy_sig=${input}`, `proxy_sig=:${signature}:`)
    const message = {
      ...original,
      target: new URL('https://origin.host.internal.example/foo'),
      fields: new Map([...original.fields, ['forwarded', ['for=192.0.2.123;host=example.com;proto=https']]]),
    }
    const claim = readRfc9421(message, 1618884500_000)
    expect(claim.algorithm).toBe('rsa-v1_5-sha256')
    expect(verifyClaim(claim, createPublicKey({ key: KEYS['test-key-rsa'], format: 'jwk' }))).toBe(true)
    expect(() => readRfc9421(message, 1618884541_000)).toThrow('expired')
  })

  test('B.2.3 is a claim that we take; its digest is the one of its body', () => {
    const [, , example] = examples
    const message = exampleRequest(`sig-b23=${example.input}`, `sig-b23=:${example.signature}:`)
    expect(readRfc9421(message, CREATED_MS)).toMatchObject({
      keyId: 'test-key-rsa-pss',
      algorithm: undefined,
    })
    expect(() => checkContentDigest(message, BODY)).not.toThrow()
    expect(() => checkContentDigest(message, Buffer.from('{"hello": "World"}'))).toThrow('not the one')
  })

  test('B.2.6 signed again gives the same bytes: Ed25519 has no randomness', () => {
    const privateKey = createPrivateKey({
      format: 'jwk',
      key: { ...KEYS['test-key-ed25519'], d: 'n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU' },
    })
    const signed = signRfc9421(
      { method: 'GET', target: new URL('https://example.com/foo') },
      { keyId: 'test-key-ed25519', key: privateKey, now: CREATED_MS },
    )
    const again = signRfc9421(
      { method: 'GET', target: new URL('https://example.com/foo') },
      { keyId: 'test-key-ed25519', key: privateKey, now: CREATED_MS },
    )
    expect(signed).toEqual(again)
    expect(signed['signature-input']).toBe(
      'sig1=("@method" "@target-uri");created=1618884473;keyid="test-key-ed25519";alg="ed25519"',
    )
  })
})
