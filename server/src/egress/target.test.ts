import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EgressRefusedError } from './errors.ts'
import { mayConnect, targetOf, type EgressPolicy } from './target.ts'

const strict: EgressPolicy = {
  allowPrivate: false,
  ports: new Set([8443]),
  ownHost: () => 'chat.example.org',
}
const lenient: EgressPolicy = { allowPrivate: true, ports: new Set(), ownHost: () => '127.0.0.1:7575' }

function isRefused(text: string, policy = strict): boolean {
  try {
    targetOf(text, policy)
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(EgressRefusedError)
    return true
  }
}

describe('without a permission of the operator', () => {
  test.each([
    'https://peer.example/',
    'https://peer.example/users/ann?x=1',
    'https://PEER.example/',
    'https://peer.example:443/',
    'https://peer.example:8443/',
    'https://bücher.example/',
    'https://xn--bcher-kva.example/',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
  ])('%s may be called', (text) => expect(isRefused(text)).toBe(false))

  test.each([
    ['not a URL', 'peer.example'],
    ['plain http', 'http://peer.example/'],
    ['another scheme', 'file:///etc/passwd'],
    ['another scheme', 'gopher://peer.example/'],
    ['another scheme', 'data:text/plain,x'],
    ['a port of another service', 'https://peer.example:22/'],
    ['a port of another service', 'https://peer.example:6379/'],
    ['a password', 'https://user:secret@peer.example/'],
    ['a name before the host', 'https://peer.example@127.0.0.1/'],
    ['loopback', 'https://127.0.0.1/'],
    ['loopback, short', 'https://127.1/'],
    ['loopback, decimal', 'https://2130706433/'],
    ['loopback, octal', 'https://0177.0.0.1/'],
    ['loopback, hexadecimal', 'https://0x7f.0.0.1/'],
    ['loopback, hexadecimal', 'https://0x7f000001/'],
    ['loopback, percent-encoded', 'https://%31%32%37.0.0.1/'],
    ['loopback, full width', 'https://１２７.０.０.１/'],
    ['loopback, other full stops', 'https://127。0。0。1/'],
    ['loopback, IPv6', 'https://[::1]/'],
    ['loopback, mapped', 'https://[::ffff:127.0.0.1]/'],
    ['loopback, mapped', 'https://[::ffff:7f00:1]/'],
    ['a public address, mapped', 'https://[::ffff:8.8.8.8]/'],
    ['a public address, decimal', 'https://134744072/'],
    ['a zone', 'https://[fe80::1%25eth0]/'],
    ['nothing', 'https://0/'],
    ['nothing', 'https://0.0.0.0/'],
    ['nothing', 'https://[::]/'],
    ['private', 'https://10.0.0.1/'],
    ['private', 'https://192.168.1.1/'],
    ['private', 'https://[fd00::1]/'],
    ['metadata', 'https://169.254.169.254/latest/meta-data/'],
    ['metadata', 'https://[fd00:ec2::254]/'],
    ['metadata', 'https://100.100.100.200/'],
    ['metadata', 'https://metadata.google.internal/'],
    ['a name of this machine', 'https://localhost/'],
    ['a name of this machine', 'https://x.localhost/'],
    ['a name of this house', 'https://printer.local/'],
    ['a name without a domain', 'https://intranet/'],
    ['a dot at the end', 'https://peer.example./'],
    ['a dot at the end of a number', 'https://127.0.0.1./'],
    ['a line break', 'https://peer.\nexample/'],
    ['a backslash', 'https://peer.example\\@127.0.0.1/'],
    ['a space', ' https://peer.example/'],
    ['our own name', 'https://chat.example.org/ap/inbox'],
    ['our own name', 'https://CHAT.example.org:443/'],
    ['more than one can want', `https://peer.example/${'x'.repeat(2048)}`],
  ])('%s is refused: %s', (_what, text) => expect(isRefused(text)).toBe(true))
})

describe('with the permission to call private places', () => {
  test.each([
    'http://127.0.0.1:8101/',
    'http://127.0.0.2:7575/',
    'http://localhost:1/',
    'https://10.0.0.1:99/',
  ])('%s may be called', (text) => expect(isRefused(text, lenient)).toBe(false))

  test.each([
    'http://127.0.0.1:7575/',
    'http://169.254.169.254/',
    'http://0.0.0.0:8101/',
    'http://[::ffff:127.0.0.1]:8101/',
    'http://2130706433:8101/',
    'ftp://127.0.0.1/',
  ])('%s is refused', (text) => expect(isRefused(text, lenient)).toBe(true))
})

test('an IPv4 address passes only in its standard spelling, and only if it is public', () => {
  const byte = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(byte, byte, byte, byte, (a, b, c, d) => {
      const number = ((a * 256 + b) * 256 + c) * 256 + d
      const plain = `${a}.${b}.${c}.${d}`
      expect(isRefused(`https://${plain}/`)).toBe(!mayConnect(plain, strict))
      for (const odd of [
        String(number),
        `0x${number.toString(16)}`,
        `0${number.toString(8)}`,
        `${a}.${(b * 256 + c) * 256 + d}`,
        `0${a.toString(8)}.${b}.${c}.${d}`,
        `0x${a.toString(16)}.${b}.${c}.${d}`,
      ]) {
        expect([odd, isRefused(`https://${odd}/`)]).toEqual([odd, true])
      }
    }),
  )
})
