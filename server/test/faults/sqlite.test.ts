import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, inject, test } from 'vitest'
import { AlreadyRunningError } from '#db/dialect/sqlite.ts'
import { expectSound, Load, wholeHistory } from '#test/history.ts'
import { request } from '#test/http.ts'
import { Person } from '#test/person.ts'
import { NotStartedError, Program } from '#test/program.ts'
import { newPlace, startServer } from '#test/server.ts'

describe.runIf(inject('database') === 'sqlite')('on SQLite', () => {
  test('a second server on the same data folder does not start and does no harm', async () => {
    await using place = await newPlace()
    await using server = await startServer({ place })
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    await expect(startServer({ place })).rejects.toBeInstanceOf(AlreadyRunningError)
    const refusal: unknown = await Program.start(place).then(
      (program) => program[Symbol.asyncDispose](),
      (error: unknown) => error,
    )
    expect(refusal).toBeInstanceOf(NotStartedError)
    expect(refusal).toMatchObject({
      exit: { code: 1 },
      output: 'pufferblow: another server is running on this data folder',
    })
    await owner.send(channel, 'still here')
    expect(await owner.load(channel)).toEqual(['still here'])
  })

  test('a folder is free again when its server was killed', async () => {
    await using place = await newPlace()
    const program = await Program.start(place)
    await program.kill()
    await using server = await startServer({ place })
    expect((await request(server, 'GET', '/readyz')).status).toBe(200)
  })

  test('a full disk answers 503, loses nothing that was acknowledged, and is forgotten once there is room', async () => {
    await using place = await newPlace()
    // Files cannot grow past a limit that `prlimit` lifts later; the signal that comes with it is ignored.
    await using program = await Program.start(place, { prelude: "trap '' XFSZ; ulimit -S -f 6144" })
    const owner = await Person.signUp(program, 'owner')
    const channel = await owner.createChannel('general')
    const padding = 'x'.repeat(5000)
    const load = new Load([owner], [channel], { senders: 8, label: padding })
    await load.reaches(() => load.refused.length >= 20)
    for (const { status, retryAfter } of load.refused) {
      expect(status).toBe(503)
      expect(Number(retryAfter)).toBeGreaterThan(0)
    }
    // Reading goes on.
    expect(await owner.load(channel)).toHaveLength(20)
    const { size } = load.acknowledged
    execFileSync('prlimit', ['--pid', String(program.pid), '--fsize=unlimited'])
    await load.until(size + 50)
    await load.stop()
    expectSound(await wholeHistory(owner, channel), load)
    await program.kill()
    await using again = await Program.start(place, { secrets: program.secrets })
    expectSound(await wholeHistory(new Person(again, owner), channel), load)
  })

  test('a database that somebody else has locked answers 503 and serves again once it is free', async () => {
    await using server = await startServer()
    const owner = await server.person('owner')
    const channel = await owner.createChannel('general')
    using file = new DatabaseSync(join(server.ctx.config.data_dir, 'db', 'pufferblow.sqlite'))
    file.exec('begin immediate')
    const answers = await Promise.all(
      [1, 2, 3].map((count) =>
        owner.post(`/api/v1/channels/${channel}/send_message`, { message: `locked ${count}` }),
      ),
    )
    for (const { status, headers, body } of answers) {
      expect(status).toBe(503)
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
      expect(body.detail).toBe('The database cannot store anything now')
    }
    file.exec('rollback')
    await owner.send(channel, 'free')
    expect(await owner.load(channel)).toEqual(['free'])
  })
})
