import { describe, expect, inject, test } from 'vitest'
import { hasBrowser, ToneBrowser } from '#test/browser.ts'
import { startServer } from '#test/server.ts'

// What is stored is the same on both databases; a browser costs seconds.
describe.runIf(hasBrowser && inject('database') === 'sqlite')('with Chromium', () => {
  test('two browsers hear each other, one is muted, and both talk again after the media server died', async () => {
    await using server = await startServer()
    const [owner, ann, bob] = await server.people('owner', 'ann', 'bob')
    const channel = await owner!.createChannel('lounge', { type: 'voice' })
    await using low = await ToneBrowser.launch(440)
    await using high = await ToneBrowser.launch(1000)
    const first = await low.join(ann!, channel)
    const second = await high.join(bob!, channel)
    await Promise.all([second.hears(ann!.id, 440), first.hears(bob!.id, 1000)])
    await first.frame('speaker_levels', bob!.id)
    await expect.poll(() => first.protocol()).toBe('udp')

    const third = await low.join(owner!, channel, { slots: 4, tcp: true })
    await Promise.all([
      third.hears(bob!.id, 1000),
      third.hears(ann!.id, 440),
      second.hears(owner!.id, 440),
      first.hears(owner!.id, 440),
    ])
    await expect.poll(() => third.protocol()).toBe('tcp')

    const { session_id } = (await owner!.get(`/api/v2/voice/channels/${channel}/participants`)).body
    await owner!.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: ann!.id, action: 'mute' })
    await Promise.all([second.silent(ann!.id), third.silent(ann!.id)])
    await first.hears(bob!.id, 1000)
    await owner!.post(`/api/v2/voice/sessions/${session_id}/moderate`, { user_id: ann!.id, action: 'unmute' })
    await second.hears(ann!.id, 440)

    const died = performance.now()
    void server.ctx.sfu.offer(server.ctx.voice.connected(session_id)[0]!.peer!, 7 as never)
    await Promise.all([first.frame('reset'), second.frame('reset')])
    await Promise.all([second.hears(ann!.id, 440), first.hears(bob!.id, 1000)])
    expect(performance.now() - died).toBeLessThan(10_000)
  })
})

test.runIf(!hasBrowser && inject('database') === 'sqlite')(
  'SKIPPED: there is no Chromium, so no browser was tried (apt-get install chromium)',
  ({ skip }) => {
    skip()
    expect.unreachable()
  },
)
