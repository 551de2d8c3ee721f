import { readFileSync } from 'node:fs'
import { Argument, Command } from 'commander'
import {
  dropDeadLetters,
  formatRules,
  importRules,
  listDeadDeliveries,
  listPeerRules,
  listPeers,
  parseRules,
  removeRule,
  retryDeadLetters,
  rotateKeys,
  setRule,
} from '#features/federation/index.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { CommandError } from './fail.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

const MOST_LISTED = 1000

interface JsonOption {
  readonly json?: true
}

export function federationCommand(): Command {
  return new Command('federation')
    .description(
      'look after other servers: peers, rules, deliveries that were given up; a running server acts at once',
    )
    .addCommand(peersCommand())
    .addCommand(ruleCommand('block', 'talk to a domain, and all below it, no more'))
    .addCommand(ruleCommand('allow', 'talk to a domain, and all below it'))
    .addCommand(unruleCommand())
    .addCommand(rulesCommand())
    .addCommand(importCommand())
    .addCommand(deadLettersCommand())
    .addCommand(choiceCommand('retry', 'send again what was given up', retryDeadLetters, 'queued again'))
    .addCommand(choiceCommand('drop', 'forget what was given up', dropDeadLetters, 'dropped'))
    .addCommand(rotateKeysCommand())
}

function peersCommand(): Command {
  const command = new Command('peers')
    .description('list other servers, and how it goes with them')
    .option('--json', 'print JSON')
    .action(async (options: JsonOption, self: Command) => {
      const loaded = loadCommandConfig(dataDirOf(self))
      const peers = await withCommandContext(loaded, async (ctx) => {
        const rows = await listPeers(ctx.db.read, '', MOST_LISTED)
        return rows.map((peer) => ({ ...peer, allowed: ctx.federation.policy.verdict(peer.host).allowed }))
      })
      if (options.json) return printJson(peers)
      printTable(
        ['HOST', 'ALLOWED', 'HEARD', 'DELIVERED', 'FAILURES', 'QUEUED', 'GIVEN UP', 'LAST FAILURE'],
        peers.map((peer) => [
          peer.host,
          peer.allowed ? 'yes' : 'no',
          isoTimeOrNull(peer.heard_at)?.slice(0, 16) ?? 'never',
          isoTimeOrNull(peer.delivered_at)?.slice(0, 16) ?? 'never',
          String(peer.failures),
          String(peer.queued),
          String(peer.dead),
          peer.failure ?? '',
        ]),
      )
    })
  return withExamples(command, 'pufferblow federation peers')
}

function ruleCommand(action: 'allow' | 'block', description: string): Command {
  const command = new Command(action)
    .description(description)
    .argument('<domain>')
    .option('--reason <text>', 'why, for those who look after the server')
    .action(async (domain: string, options: { reason?: string }, self: Command) => {
      const { reason } = options
      const rule = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        setRule(ctx, null, { domain, action, reason }),
      )
      print(`${rule.domain} and all below it: ${action}`)
    })
  return withExamples(command, `pufferblow federation ${action} example.org --reason 'why'`)
}

function unruleCommand(): Command {
  return new Command('unrule')
    .description('take a rule back')
    .argument('<domain>')
    .action(async (domain: string, _options: object, self: Command) => {
      await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) => removeRule(ctx, null, domain))
      print('The rule was removed')
    })
}

function rulesCommand(): Command {
  const command = new Command('rules')
    .description('print which domains are allowed and blocked, as CSV')
    .action(async (_options: object, self: Command) => {
      const rules = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        listPeerRules(ctx.db.read),
      )
      print(formatRules(rules).trimEnd())
    })
  return withExamples(command, 'pufferblow federation rules > rules.csv')
}

function importCommand(): Command {
  const command = new Command('import')
    .description('set many rules at once, from CSV as `rules` prints it or as Mastodon exports domain blocks')
    .argument('<file>', '`-` reads from standard input')
    .option('--dry-run', 'only tell what it would do')
    .option('--json', 'print JSON')
    .action(async (file: string, options: JsonOption & { dryRun?: true }, self: Command) => {
      const list = parseRules(readText(file))
      const dryRun = options.dryRun === true
      const effect = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        importRules(ctx, null, list, { dryRun }),
      )
      if (options.json) return printJson({ ...effect, unusable: list.unusable, dry_run: dryRun })
      print(`${dryRun ? 'Would be ' : ''}added: ${effect.added}, changed: ${effect.changed}`)
      for (const { line, why } of list.unusable) print(`not usable: ${line} (${why})`)
      for (const { host, follows, queued } of effect.hosts) {
        print(`${host}: ${follows} follows ${dryRun ? 'would end' : 'ended'}, ${queued} deliveries given up`)
      }
    })
  return withExamples(command, 'pufferblow federation import blocklist.csv --dry-run')
}

function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new CommandError(`cannot read ${file}: ${(cause as Error).message}`)
  }
}

function deadLettersCommand(): Command {
  const command = new Command('dead-letters')
    .description('list deliveries that were given up, the newest first')
    .option('--host <host>', 'of one peer only')
    .option('--json', 'print JSON')
    .action(async (options: JsonOption & { host?: string }, self: Command) => {
      const rows = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        listDeadDeliveries(ctx.db.read, { host: options.host, limit: MOST_LISTED }),
      )
      if (options.json) return printJson(rows)
      if (rows.length === 0) return print('No delivery was given up')
      printTable(
        ['ID', 'HOST', 'WHAT', 'GIVEN UP', 'TRIES', 'REASON'],
        rows.map((row) => [
          row.id,
          row.host,
          row.activity_type,
          isoTime(row.died_at ?? row.created_at).slice(0, 16),
          String(row.attempts),
          row.reason ?? '',
        ]),
      )
    })
  return withExamples(command, 'pufferblow federation dead-letters --host peer.example.org')
}

function choiceCommand(
  name: string,
  description: string,
  work: typeof retryDeadLetters,
  done: string,
): Command {
  const command = new Command(name)
    .description(description)
    .argument('[ids...]', 'as listed')
    .option('--host <host>', 'everything of one peer')
    .action(async (ids: string[], options: { host?: string }, self: Command) => {
      if (ids.length > 0 === (options.host !== undefined)) throw new CommandError('name either ids or --host')
      const count = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        work(ctx, options.host === undefined ? { ids } : { host: options.host }),
      )
      print(count === 1 ? `1 delivery ${done}` : `${count} deliveries ${done}`)
    })
  return withExamples(command, `pufferblow federation ${name} --host peer.example.org`)
}

function rotateKeysCommand(): Command {
  const command = new Command('rotate-keys')
    .description(
      'give people, and the server itself, new keys; other servers ask for them when they need them',
    )
    .addArgument(new Argument('[name]', 'of one person only'))
    .action(async (name: string | undefined, _options: object, self: Command) => {
      const count = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        rotateKeys(ctx, name),
      )
      print(count === 1 ? 'The keys of 1 actor were replaced' : `The keys of ${count} actors were replaced`)
    })
  return withExamples(command, 'pufferblow federation rotate-keys alice')
}
