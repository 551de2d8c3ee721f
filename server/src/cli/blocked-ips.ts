import { Command, InvalidArgumentError } from 'commander'
import {
  blockedIpToWire,
  blockIp,
  listBlockedIps,
  unblockAll,
  unblockIp,
} from '#features/blocked-ips/index.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

export function blockedIpsCommand(): Command {
  return new Command('blocked-ips')
    .summary('list, block and unblock addresses')
    .description('list, block and unblock addresses; a running server acts on every change at once')
    .addCommand(listCommand())
    .addCommand(blockCommand())
    .addCommand(unblockCommand())
    .addCommand(clearCommand())
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list blocked addresses, newest first')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }, self: Command) => {
      const rows = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        listBlockedIps(ctx.db.read, ctx.clock()),
      )
      const blocks = rows.map(blockedIpToWire)
      if (json) return printJson(blocks)
      printTable(
        ['ADDRESS', 'SINCE', 'UNTIL', 'BY', 'ATTEMPTS', 'REASON'],
        blocks.map((block) => [
          block.ip,
          block.blocked_at.slice(0, 16),
          block.expires_at?.slice(0, 16) ?? 'for good',
          block.automatic ? 'rate limits' : (block.blocked_by?.username ?? 'operator'),
          String(block.block_attempts_count),
          block.reason.split('\n', 1)[0]!,
        ]),
      )
    })
  return withExamples(command, 'pufferblow blocked-ips list')
}

function blockCommand(): Command {
  const command = new Command('block')
    .description('block an address or a network')
    .argument('<address>', 'such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64')
    .option('--reason <text>', 'why, for others to read', 'blocked by the operator')
    .option('--minutes <number>', 'for so long; without it for good', wholeMinutes)
    .action(async (ip: string, options: { reason: string; minutes?: number }, self: Command) => {
      const { network } = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        blockIp(ctx, undefined, { ip, reason: options.reason, durationMinutes: options.minutes }),
      )
      print(`${network} is blocked`)
    })
  return withExamples(command, 'pufferblow blocked-ips block 192.0.2.0/24 --reason flood --minutes 60')
}

function unblockCommand(): Command {
  const command = new Command('unblock')
    .description('lift the block of an address or network')
    .argument('<address>', 'as it is listed')
    .action(async (ip: string, _options: object, self: Command) => {
      const network = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        unblockIp(ctx, null, ip),
      )
      print(`${network} is not blocked any more`)
    })
  return withExamples(command, 'pufferblow blocked-ips unblock 192.0.2.7')
}

function clearCommand(): Command {
  const command = new Command('clear')
    .description('lift all blocks')
    .action(async (_options: object, self: Command) => {
      const count = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) => unblockAll(ctx))
      print(count === 1 ? '1 block was lifted' : `${count} blocks were lifted`)
    })
  return withExamples(command, 'pufferblow blocked-ips clear')
}

function wholeMinutes(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
