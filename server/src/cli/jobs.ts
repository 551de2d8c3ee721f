import { Command } from 'commander'
import type { Tx } from '#db/database.ts'
import type { DeadLetterTable } from '#db/tables.ts'
import { dropDeadLetters, listDeadLetters, retryDeadLetters } from '#jobs/dead-letters.ts'
import { isoTime } from '#lib/clock.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { CommandError } from './fail.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

const MOST_LISTED = 1000

interface JsonOption {
  readonly json?: true
}

interface AllOption {
  readonly all?: true
}

export function jobsCommand(): Command {
  return new Command('jobs')
    .description(
      'look after background jobs that were given up (dead letters); a running server acts at once',
    )
    .addCommand(listCommand())
    .addCommand(retryCommand())
    .addCommand(dropCommand())
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list jobs that were given up, the newest first')
    .option('--json', 'print JSON')
    .action(list)
  return withExamples(command, 'pufferblow jobs list', `pufferblow jobs list --json | jq -r '.[].reason'`)
}

async function list(options: JsonOption, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const letters = await withCommandContext(loaded, (ctx) => listDeadLetters(ctx.db.read, MOST_LISTED))
  if (options.json) return printJson(letters.map(letterJson))
  if (letters.length === 0) return print('No job was given up')
  printTable(
    ['ID', 'TYPE', 'GIVEN UP', 'TRIES', 'REASON'],
    letters.map(({ id, type, died_at, failures, reason }) => [
      String(id),
      type,
      isoTime(died_at).slice(0, 16),
      String(failures),
      reason.replaceAll('\n', ' ').slice(0, 100),
    ]),
  )
}

function retryCommand(): Command {
  const command = withWhich(new Command('retry').description('try jobs again that were given up'))
    .option('--json', 'print JSON')
    .action((ids: string[], options: JsonOption & AllOption, self: Command) =>
      change(self, { ids, ...options }, retryDeadLetters, 'enqueued again'),
    )
  return withExamples(command, 'pufferblow jobs retry 17 18', 'pufferblow jobs retry --all')
}

function dropCommand(): Command {
  const command = withWhich(new Command('drop').description('forget jobs that were given up'))
    .option('--json', 'print JSON')
    .action((ids: string[], options: JsonOption & AllOption, self: Command) =>
      change(self, { ids, ...options }, dropDeadLetters, 'dropped'),
    )
  return withExamples(command, 'pufferblow jobs drop 17')
}

function withWhich(command: Command): Command {
  return command.argument('[ids...]', 'as listed').option('--all', 'all of them')
}

async function change(
  command: Command,
  { ids: texts, all, json }: { ids: readonly string[] } & AllOption & JsonOption,
  work: (tx: Tx, ids?: readonly number[]) => Promise<number>,
  done: string,
): Promise<void> {
  const ids = texts.map(parseId)
  if (ids.length > 0 === (all === true)) throw new CommandError('name either ids or --all')
  const loaded = loadCommandConfig(dataDirOf(command))
  const count = await withCommandContext(loaded, (ctx) =>
    ctx.db.transact(async (tx) => {
      const found = await work(tx, all ? undefined : ids)
      if (!all && found < new Set(ids).size)
        throw new CommandError('not all of these jobs were given up; nothing was changed')
      return found
    }),
  )
  if (json) printJson({ jobs: count })
  else print(count === 1 ? `1 job ${done}` : `${count} jobs ${done}`)
}

function parseId(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new CommandError(`'${text}' is not the id of a job`)
  return Number(text)
}

function letterJson(letter: DeadLetterTable) {
  return {
    id: letter.id,
    type: letter.type,
    payload: JSON.parse(letter.payload) as unknown,
    key: letter.key,
    queue: letter.queue,
    tries: letter.failures,
    reason: letter.reason,
    created_at: isoTime(letter.created_at),
    given_up_at: isoTime(letter.died_at),
  }
}
