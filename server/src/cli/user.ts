import { Command, InvalidArgumentError, Option } from 'commander'
import {
  assignRole,
  createAccount,
  listAccounts,
  resetPassword,
  signOutEverywhere,
  type Account,
} from '#features/accounts/index.ts'
import { banByOperator, freeByOperator } from '#features/moderation/index.ts'
import { builtInRoles, type BuiltInRole } from '#features/roles/index.ts'
import { isoTime, isoTimeOrNull } from '#lib/clock.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { dataDirOf, withExamples } from './options.ts'
import { takePassword, withGeneratedPassword, withPasswordOptions, type PasswordOptions } from './password.ts'
import { print, printJson, printTable } from './print.ts'

const VARIABLE = 'PUFFERBLOW_USER_PASSWORD'

interface JsonOption {
  readonly json?: true
}

export function userCommand(): Command {
  return new Command('user')
    .description('manage accounts; a running server acts on every change at once')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(setRoleCommand())
    .addCommand(resetPasswordCommand())
    .addCommand(signOutCommand())
    .addCommand(banCommand())
    .addCommand(unbanCommand())
}

function createCommand(): Command {
  const command = new Command('create')
    .summary('create an account')
    .description(
      `create an account, also where registration is closed. The password comes from an option, from ${VARIABLE}, ` +
        'or is asked for',
    )
    .argument('<name>', 'username')
    .addOption(new Option('--role <role>', 'role of the account').choices(builtInRoles).default('user'))
    .option('--json', 'print JSON')
    .action(create)
  return withExamples(
    withGeneratedPassword(withPasswordOptions(command)),
    'pufferblow user create alice --generate-password',
    'pass show chat/alice | pufferblow user create alice --role moderator --password-stdin',
  )
}

async function create(
  username: string,
  options: PasswordOptions & JsonOption & { role: BuiltInRole },
  command: Command,
): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const { password, generated } = await takePassword(command, options, VARIABLE)
  const { role } = options
  const userId = await withCommandContext(loaded, (ctx) => createAccount(ctx, { username, password, role }))
  if (options.json) return printJson({ user_id: userId, username, role, ...(generated && { password }) })
  print(`Created ${username} (${role})`)
  if (generated) print(`Password: ${password}`)
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list all accounts')
    .option('--json', 'print JSON')
    .action(list)
  return withExamples(command, 'pufferblow user list', `pufferblow user list --json | jq -r '.[].username'`)
}

async function list(options: JsonOption, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const accounts = await withCommandContext(loaded, (ctx) => listAccounts(ctx))
  if (options.json) return printJson(accounts.map(accountJson))
  printTable(
    ['NAME', 'ROLES', 'STATE', 'CREATED', 'LAST SEEN', 'ID'],
    accounts.map(({ username, roles, restrictions, createdAt, lastSeenAt, userId }) => [
      username,
      roles.join(', '),
      stateOf(restrictions),
      isoTime(createdAt).slice(0, 10),
      isoTimeOrNull(lastSeenAt)?.slice(0, 10) ?? 'never',
      userId,
    ]),
  )
}

function setRoleCommand(): Command {
  const command = new Command('set-role')
    .description('give somebody exactly this role')
    .argument('<name>', 'username')
    .argument('<role>', `${builtInRoles.join(', ')}, or the id of a custom role`)
    .option('--json', 'print JSON')
    .action(setRole)
  return withExamples(command, 'pufferblow user set-role alice admin')
}

async function setRole(username: string, role: string, options: JsonOption, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const account = await withCommandContext(loaded, (ctx) => assignRole(ctx, username, role))
  if (options.json) printJson(accountJson(account))
  else print(`The role of ${account.username} is now ${role}`)
}

function resetPasswordCommand(): Command {
  const command = new Command('reset-password')
    .summary('set a new password and end all sessions')
    .description(
      `set a new password and end all sessions. The password comes from an option, from ${VARIABLE}, or is asked for`,
    )
    .argument('<name>', 'username')
    .option('--json', 'print JSON')
    .action(reset)
  return withExamples(
    withGeneratedPassword(withPasswordOptions(command)),
    'pufferblow user reset-password alice --generate-password',
  )
}

async function reset(
  username: string,
  options: PasswordOptions & JsonOption,
  command: Command,
): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const { password, generated } = await takePassword(command, options, VARIABLE)
  const done = await withCommandContext(loaded, (ctx) => resetPassword(ctx, username, password))
  if (options.json) return printJson({ ...endedJson(done), ...(generated && { password }) })
  print(`${done.account.username} has a new password; ${sessionsEnded(done.endedSessions)}`)
  if (generated) print(`Password: ${password}`)
}

function signOutCommand(): Command {
  const command = new Command('sign-out-everywhere')
    .description('end all sessions of somebody: every device has to sign in again')
    .argument('<name>', 'username')
    .option('--json', 'print JSON')
    .action(signOut)
  return withExamples(command, 'pufferblow user sign-out-everywhere alice')
}

async function signOut(username: string, options: JsonOption, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const done = await withCommandContext(loaded, (ctx) => signOutEverywhere(ctx, username))
  if (options.json) printJson(endedJson(done))
  else print(`${done.account.username}: ${sessionsEnded(done.endedSessions)}`)
}

function banCommand(): Command {
  const command = new Command('ban')
    .summary('keep somebody off the server')
    .description('keep somebody off the server: all sessions end, and nobody can sign in to the account')
    .argument('<name>', 'username')
    .option('--reason <text>', 'what the person is told')
    .option('--minutes <number>', 'when the ban ends by itself (default: when it is lifted)', minutes)
    .option('--json', 'print JSON')
    .action(ban)
  return withExamples(
    command,
    'pufferblow user ban mallory --reason spam',
    'pufferblow user ban mallory --minutes 1440',
  )
}

async function ban(
  username: string,
  options: JsonOption & { reason?: string; minutes?: number },
  command: Command,
): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const sentence = { reason: options.reason, minutes: options.minutes }
  const { user, endedSessions } = await withCommandContext(loaded, (ctx) =>
    banByOperator(ctx, username, sentence),
  )
  if (options.json) {
    return printJson({ user_id: user.id, username: user.username, ended_sessions: endedSessions })
  }
  print(`${user.username} is banned; ${sessionsEnded(endedSessions)}`)
}

function minutes(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1 && value <= 5_256_000) return value
  throw new InvalidArgumentError('must be a whole number from 1 to 5256000')
}

function unbanCommand(): Command {
  const command = new Command('unban')
    .summary('lift the ban of somebody')
    .description('lift the ban and the timeout of somebody')
    .argument('<name>', 'username')
    .option('--json', 'print JSON')
    .action(unban)
  return withExamples(command, 'pufferblow user unban mallory')
}

async function unban(username: string, options: JsonOption, command: Command): Promise<void> {
  const loaded = loadCommandConfig(dataDirOf(command))
  const { user, wasBanned, wasTimedOut } = await withCommandContext(loaded, (ctx) =>
    freeByOperator(ctx, username),
  )
  if (options.json) {
    const lifted = { was_banned: wasBanned, was_timed_out: wasTimedOut }
    return printJson({ user_id: user.id, username: user.username, ...lifted })
  }
  print(wasBanned || wasTimedOut ? `${user.username} is free again` : `${user.username} was free already`)
}

function stateOf({ ban: banned, timeout }: Account['restrictions']): string {
  if (banned) return banned.until === null ? 'banned' : `banned until ${isoTime(banned.until)}`
  return timeout ? `timed out until ${isoTime(timeout.until!)}` : ''
}

function accountJson({ userId, username, roles, restrictions, createdAt, lastSeenAt }: Account) {
  return {
    user_id: userId,
    username,
    roles,
    is_banned: restrictions.ban !== null,
    is_timed_out: restrictions.timeout !== null,
    created_at: isoTime(createdAt),
    last_seen_at: isoTimeOrNull(lastSeenAt),
  }
}

function endedJson({ account, endedSessions }: { account: Account; endedSessions: number }) {
  return { user_id: account.userId, username: account.username, ended_sessions: endedSessions }
}

function sessionsEnded(count: number): string {
  return count === 1 ? '1 session ended' : `${count} sessions ended`
}
