import { Command } from 'commander'
import { reindex, replaceSearchKey, searchStatus } from '#features/search/index.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, remark } from './print.ts'

interface Options {
  readonly json?: true
  readonly newKey?: true
}

export function searchCommand(): Command {
  return new Command('search')
    .description('look at and renew the index by which messages are found')
    .addCommand(statusCommand())
    .addCommand(reindexCommand())
}

function statusCommand(): Command {
  const command = new Command('status')
    .description('tell how many messages are indexed')
    .option('--json', 'print JSON')
    .action(status)
  return withExamples(command, 'pufferblow search status')
}

async function status({ json }: Options, command: Command): Promise<void> {
  const state = await withCommandContext(loadCommandConfig(dataDirOf(command)), searchStatus)
  if (json) return printJson(state)
  print(`${state.indexed} of ${state.messages} messages are indexed`)
  print(
    state.complete ? 'The index is complete' : 'The index is being made; older messages may not be found yet',
  )
}

function reindexCommand(): Command {
  const command = new Command('reindex')
    .summary('index what is missing, or everything with a new key')
    .description(
      'index every message that is not indexed with the key and the settings in use. A running server does it in the ' +
        'background; without one, this command does. It may be interrupted and begun again',
    )
    .option('--new-key', 'take a new key for the index first, so that everything is indexed again')
    .option('--json', 'print JSON')
    .action(run)
  return withExamples(command, 'pufferblow search reindex', 'pufferblow search reindex --new-key')
}

async function run({ json, newKey }: Options, command: Command): Promise<void> {
  await withCommandContext(loadCommandConfig(dataDirOf(command)), async (ctx) => {
    if (newKey) await replaceSearchKey(ctx)
    if (await ctx.db.isServed()) {
      await ctx.db.transact(async (tx) => {
        tx.enqueue({ type: 'search.reindex', payload: {}, key: 'search.reindex' })
      })
      if (json) return printJson({ in_background: true })
      return print('The running server does it in the background; see: pufferblow search status')
    }
    let indexed = 0
    await reindex(ctx, {
      signal: new AbortController().signal,
      pauseMs: 0,
      onProgress: (count) => {
        if (Math.floor(count / 10_000) > Math.floor(indexed / 10_000)) remark(`${count} messages indexed`)
        indexed = count
      },
    })
    if (json) printJson({ in_background: false, indexed })
    else print(`${indexed} ${indexed === 1 ? 'message' : 'messages'} indexed; the index is complete`)
  })
}
