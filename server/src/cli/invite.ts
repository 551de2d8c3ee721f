import { Command, InvalidArgumentError } from 'commander'
import { createInvite, inviteToWire, listInvites, revokeInvite } from '#features/invites/index.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { print, printJson, printTable } from './print.ts'

export function inviteCommand(): Command {
  return new Command('invite')
    .summary('make, list and revoke invites')
    .description('make, list and revoke codes by which people sign up where registration is by invite')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(revokeCommand())
}

function createCommand(): Command {
  const command = new Command('create')
    .description('make an invite and print its code')
    .option('--uses <number>', 'for so many people; without it for any number', wholeNumber)
    .option('--days <number>', 'for so long; without it for good', wholeNumber)
    .action(async ({ uses, days }: { uses?: number; days?: number }, self: Command) => {
      const options = { maxUses: uses, durationMinutes: days === undefined ? null : days * 1440 }
      const { code } = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        createInvite(ctx, null, options),
      )
      print(code)
    })
  return withExamples(command, 'pufferblow invite create --uses 1 --days 7')
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list invites, newest first')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: true }, self: Command) => {
      const rows = await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) =>
        listInvites(ctx.db.read),
      )
      const invites = rows.map(inviteToWire)
      if (json) return printJson(invites)
      printTable(
        ['CODE', 'USES', 'UNTIL', 'BY'],
        invites.map((invite) => [
          invite.code,
          `${invite.uses}${invite.max_uses === null ? '' : ` of ${invite.max_uses}`}`,
          invite.expires_at?.slice(0, 16) ?? 'for good',
          invite.created_by?.username ?? 'operator',
        ]),
      )
    })
  return withExamples(command, 'pufferblow invite list')
}

function revokeCommand(): Command {
  const command = new Command('revoke')
    .description('make an invite worthless')
    .argument('<code>', 'as it is listed')
    .action(async (code: string, _options: object, self: Command) => {
      await withCommandContext(loadCommandConfig(dataDirOf(self)), (ctx) => revokeInvite(ctx, null, code))
      print('The invite was revoked')
    })
  return withExamples(command, 'pufferblow invite revoke 7k2m9q4x0abc')
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
