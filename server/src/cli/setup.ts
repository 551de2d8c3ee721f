import { mkdirSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { configTemplate } from '#config/template.ts'
import type { Context } from '#context'
import { createAccount } from '#features/accounts/index.ts'
import { hasOwner, readSettings, renameServer, serverNameOf } from '#features/instance/index.ts'
import { HttpError } from '#http/errors.ts'
import { askText, canAsk } from './ask.ts'
import { loadCommandConfig, withCommandContext } from './command-context.ts'
import { CommandError } from './fail.ts'
import { dataDirOf, withExamples } from './options.ts'
import { givesPassword, takePassword, withPasswordOptions, type PasswordOptions } from './password.ts'
import { print, printJson } from './print.ts'

const VARIABLE = 'PUFFERBLOW_OWNER_PASSWORD'

interface Options extends PasswordOptions {
  readonly serverName?: string
  readonly owner?: string
  readonly nonInteractive?: true
  readonly json?: true
}

/** What is to be done, once it is known. */
interface Plan {
  readonly serverName?: string | undefined
  readonly owner?: { readonly username: string; readonly password: string } | undefined
}

export function setupCommand(): Command {
  const command = new Command('setup')
    .summary('prepare a new server and make the account of its owner')
    .description(
      `make the data folder, keys, database, pufferblow.toml and the owner's account; asks for what is missing. ` +
        `The password may also come in ${VARIABLE}. With --server-name alone it only renames the server`,
    )
    .option('--server-name <name>', 'the name that people see')
    .option('--owner <username>', 'username of the owner')
    .option('--non-interactive', 'ask nothing, fail instead')
    .option('--json', 'print JSON')
    .action((options: Options, self: Command) => setup(self, options))
  return withExamples(
    withPasswordOptions(command),
    'pufferblow setup',
    'pufferblow setup --server-name "Book club" --owner alice --password-file ./secret --non-interactive',
  )
}

async function setup(command: Command, options: Options): Promise<void> {
  const asks = !options.nonInteractive && canAsk() && !onlyRenames(options) && !saysAll(options)
  if (options.serverName !== undefined) serverNameOf(options.serverName)
  const loaded = loadCommandConfig(dataDirOf(command))
  // Called wrongly, it must not leave anything behind.
  const plan = asks ? undefined : await planOf(command, options)
  mkdirSync(loaded.config.data_dir, { recursive: true, mode: 0o700 })
  const done = await withCommandContext(
    loaded,
    async (ctx) => {
      if (!onlyRenames(options) && (await hasOwner(ctx.db.read))) {
        throw new CommandError('this server has an owner already; more accounts: pufferblow user create')
      }
      return carryOut(ctx, plan ?? (await ask(ctx, command, options)))
    },
    { create: true },
  )
  const created = writeTemplate(loaded.file)
  report({ ...done, dataDir: loaded.config.data_dir, file: loaded.file, created }, options)
}

function onlyRenames(options: Options): boolean {
  return options.serverName !== undefined && options.owner === undefined && !givesPassword(options, VARIABLE)
}

function saysAll(options: Options): boolean {
  return options.owner !== undefined && givesPassword(options, VARIABLE)
}

async function planOf(command: Command, options: Options): Promise<Plan> {
  const { serverName, owner } = options
  if (onlyRenames(options)) return { serverName }
  if (owner === undefined) {
    return command.error('error: who owns the server? Give --owner <username>, or run this at a terminal')
  }
  // At a terminal takePassword would ask, which may have been forbidden.
  if (!givesPassword(options, VARIABLE)) {
    command.error(
      `error: a password is missing; give --password-stdin or --password-file, or set ${VARIABLE}`,
    )
  }
  const { password } = await takePassword(command, options, VARIABLE)
  return { serverName, owner: { username: owner, password } }
}

async function ask(ctx: Context, command: Command, options: Options): Promise<Plan> {
  const { server_name } = await readSettings(ctx.db.read)
  const serverName =
    options.serverName ??
    (await askText('What is the server called?', {
      initial: server_name,
      check: (text) => objection(() => serverNameOf(text)),
    }))
  const username =
    options.owner ??
    (await askText('Username of the owner', {
      check: (text) => (text.trim() === '' ? 'A name is needed' : undefined),
    }))
  const { password } = await takePassword(command, options, VARIABLE)
  return { serverName, owner: { username, password } }
}

function objection(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    if (error instanceof HttpError) return error.detail
    throw error
  }
}

async function carryOut(ctx: Context, { serverName, owner }: Plan) {
  // The account first: its name or password may be refused, and then nothing has been changed.
  const account = owner && {
    user_id: await createAccount(ctx, { ...owner, role: 'owner', asFirstOwner: true }),
    username: owner.username,
  }
  if (serverName !== undefined) await renameServer(ctx, serverName)
  return {
    serverName: (await readSettings(ctx.db.read)).server_name,
    owner: account,
    isOwned: await hasOwner(ctx.db.read),
  }
}

/** @returns whether there was none */
function writeTemplate(file: string): boolean {
  try {
    // Private from the start: it may be given a password later.
    writeFileSync(file, configTemplate(), { flag: 'wx', mode: 0o600 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function report(
  done: Awaited<ReturnType<typeof carryOut>> & { dataDir: string; file: string; created: boolean },
  { json }: Options,
): void {
  if (json) {
    return printJson({
      server_name: done.serverName,
      owner: done.owner ?? null,
      data_dir: done.dataDir,
      config_file: done.file,
      config_file_created: done.created,
    })
  }
  print(`The server is called ${done.serverName}`)
  if (done.owner) print(`Its owner is ${done.owner.username}`)
  else if (!done.isOwned) print('Nobody owns it yet')
  print(`Data folder: ${done.dataDir} (back up keys/ apart from the rest)`)
  print(`Configuration: ${done.file}${done.created ? ' (new)' : ''}`)
  if (done.owner) print('Start it with: npm start')
}
