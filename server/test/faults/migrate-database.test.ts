import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, inject, test, vi } from 'vitest'
import { openForCommand, sqliteFileOf, type DatabaseOptions } from '#db/open.ts'
import { Ledger } from '#db/transfer/ledger.ts'
import { moveDatabase, type MoveOptions } from '#db/transfer/move.ts'
import { runCommand } from '#test/command.ts'
import { Person } from '#test/person.ts'
import { newPlace, startServer, type Place } from '#test/server.ts'
import { runSql } from '#test/sql.ts'

const PROGRAM = fileURLToPath(new URL('../../../bin/pufferblow.js', import.meta.url))
const SEEN = 60_000

function optionsOf(url: string): DatabaseOptions {
  return { url, cacheMb: 8, poolSize: 4, statementTimeoutMs: 0, onError: () => {} }
}

function urlOf({ dataDir, env }: Place): string {
  return env['PUFFERBLOW_DATABASE_URL'] ?? `sqlite:${join(dataDir, 'db', 'pufferblow.sqlite')}`
}

/** Begins a move as a process of its own, and kills it while it copies the largest table. @returns rows it had copied */
async function killInTheMiddle(place: Place, from: string, to: string): Promise<number> {
  const child = spawn(process.execPath, [PROGRAM, 'migrate-database', '--from', from, '--to', to], {
    env: { PATH: process.env['PATH'], PUFFERBLOW_DATA_DIR: place.dataDir, ...place.env },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  await vi.waitFor(
    async () => {
      expect(await copiedOf(to)).toBeGreaterThan(0)
    },
    { timeout: 20_000, interval: 5 },
  )
  child.kill('SIGKILL')
  await exited
  return copiedOf(to)
}

async function copiedOf(url: string): Promise<number> {
  const file = sqliteFileOf(url)
  if (file !== undefined) return copiedInFile(file)
  await using target = await openForCommand(optionsOf(url))
  if (!(await Ledger.exists(target.engine))) return 0
  return (await Ledger.open(target.engine).table('federation_seen'))?.rows ?? 0
}

/** Looked at without a thread of its own: SQLite copies faster than one starts. */
function copiedInFile(file: string): number {
  try {
    using database = new DatabaseSync(file, { readOnly: true, timeout: 1000 })
    const row = database.prepare("select state from database_transfer where name = 'federation_seen'").get()
    return row ? (JSON.parse(String(row['state'])) as { rows: number }).rows : 0
  } catch {
    // It is not that far.
    return 0
  }
}

test('a database moves to the other product and back, also if the move is killed on its way', async () => {
  await using place = await newPlace()
  await using last = await newPlace()
  const env = { PUBLIC_ORIGIN: 'https://chat.example' }
  let left: { channel: string; owner: Person; texts: string[] }
  {
    await using server = await startServer({ place, env })
    const [owner, bob] = await server.people('owner', 'bob')
    const channel = await owner!.createChannel('general')
    await owner!.createChannel('hidden', { private: true, members: [bob!] })
    const texts = ['first ✓', 'second', '😀', 'x'.repeat(4000)]
    for (const text of texts) await bob!.send(channel, text)
    const hash = inject('database') === 'sqlite' ? 'randomblob(32)' : 'sha256(i::text::bytea)'
    await runSql(
      server,
      `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${SEEN})
       insert into federation_seen (hash, at) select ${hash}, i from n`,
    )
    const command = await runCommand(place, 'migrate-database', '--from', urlOf(place), '--to', urlOf(last))
    expect(command).toMatchObject({ code: 1, stderr: expect.stringContaining('server') })
    left = { channel, owner: owner!, texts }
  }
  // On SQLite, where no PostgreSQL runs, both ways are between SQLite files.
  const middle = `sqlite:${join(last.dataDir, 'middle.sqlite')}`
  for (const [from, to] of [
    [urlOf(place), middle],
    [middle, urlOf(last)],
  ] as const) {
    const copied = await killInTheMiddle(place, from, to)
    expect(copied).toBeLessThan(SEEN)
    const there = { ...last, env: { ...last.env, PUFFERBLOW_DATABASE_URL: to } }
    await expect(startServer({ place: there, env })).rejects.toThrow('not finished')
    const move: MoveOptions = { from: optionsOf(from), to: optionsOf(to), restart: false }
    const shown: string[] = []
    const moved = await moveDatabase({ ...move, onProgress: (...step) => shown.push(step.join(' ')) })
    expect(moved.resumed).toBeGreaterThanOrEqual(copied)
    expect(moved.tables.find(({ name }) => name === 'federation_seen')).toMatchObject({ rows: SEEN })
    expect(shown).toContain(`copy ${moved.rows} ${moved.rows}`)
    expect(shown.at(-1)).toBe(`verify ${2 * moved.rows} ${2 * moved.rows}`)
    await expect(moveDatabase(move)).rejects.toThrow('not empty')
  }
  // The files and keys are those of the first place.
  const server = await startServer({
    place: {
      ...place,
      env: last.env.PUFFERBLOW_DATABASE_URL ? last.env : { PUFFERBLOW_DATABASE_URL: urlOf(last) },
    },
    env,
  })
  await using _stop = { [Symbol.asyncDispose]: () => server.stop() }
  for (const secret of [left.owner.token, left.owner.password, left.owner.refreshToken])
    server.secrets.add(secret)
  const owner = new Person(server, left.owner)
  expect(await owner.load(left.channel)).toEqual(left.texts)
  await owner.send(left.channel, 'after the move')
  expect((await owner.load(left.channel)).at(-1)).toBe('after the move')
})

test('a source that changed while it was copied is noticed, and the copy can be begun anew', async () => {
  await using place = await newPlace()
  await using other = await newPlace()
  await using target = await newPlace()
  for (const one of [place, other]) {
    await using server = await startServer({ place: one })
    await server.person('owner')
  }
  const to = optionsOf(urlOf(target))
  const move: MoveOptions = { from: optionsOf(urlOf(place)), to, restart: false }
  const onProgress: MoveOptions['onProgress'] = (step) => {
    if (step === 'verify') throw new Error('ended')
  }
  await expect(moveDatabase({ ...move, onProgress })).rejects.toThrow('ended')
  await expect(moveDatabase({ ...move, from: optionsOf(urlOf(other)) })).rejects.toThrow('another database')
  {
    await using server = await startServer({ place })
    await server.person('bob')
  }
  await expect(moveDatabase(move)).rejects.toThrow('is not the same in both')
  const { code, stdout } = await runCommand(
    place,
    ...['migrate-database', '--from', move.from.url, '--to', to.url, '--restart', '--json'],
  )
  expect(code).toBe(0)
  const { tables } = JSON.parse(stdout)
  expect(tables).toContainEqual(expect.objectContaining({ name: 'user', rows: 2 }))
})
