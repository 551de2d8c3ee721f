import { expect, test } from 'vitest'
import { expectSound, Load, wholeHistory } from '#test/history.ts'
import { Person } from '#test/person.ts'
import { Program } from '#test/program.ts'
import { newPlace } from '#test/server.ts'

test('a server that is asked to stop while it is busy finishes what it acknowledged and ends with 0', async () => {
  await using place = await newPlace()
  await using program = await Program.start(place)
  const owner = await Person.signUp(program, 'owner')
  const channel = await owner.createChannel('general')
  using socket = await owner.connect()
  const load = new Load([owner], [channel], { senders: 32, label: 'load', untilBroken: true })
  await load.until(200)
  expect(await program.terminate()).toEqual({ code: 0, signal: null })
  expect(await socket.closed()).toMatchObject({ code: 1001 })
  await load.stop()
  // What came too late was refused in the documented way.
  for (const { status, retryAfter } of load.refused) {
    expect(status).toBe(503)
    expect(Number(retryAfter)).toBeGreaterThan(0)
  }

  await using again = await Program.start(place, { secrets: program.secrets })
  expectSound(await wholeHistory(new Person(again, owner), channel), load)
})

test('a socket is told that the server goes before it is gone, and resumes at the next one', async () => {
  await using place = await newPlace()
  await using program = await Program.start(place)
  const owner = await Person.signUp(program, 'owner')
  const channel = await owner.createChannel('general')
  using socket = await owner.connect({ resume: 'now' })
  await socket.next('ready')
  await owner.send(channel, 'before')
  await socket.next('message')
  const stopped = program.terminate()
  expect(await Promise.race([socket.closed(), stopped])).toMatchObject({ code: 1001 })
  expect(await stopped).toEqual({ code: 0, signal: null })

  await using again = await Program.start(place, { secrets: program.secrets })
  const later = new Person(again, owner)
  await later.send(channel, 'after')
  using resumed = await later.connect({ resume: socket.cursor })
  await resumed.next('ready')
  expect(resumed.texts).toEqual(['after'])
})
