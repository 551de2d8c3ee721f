import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { Option, type Command } from 'commander'
import { askNewPassword, canAsk } from './ask.ts'
import { CommandError } from './fail.ts'

/** Passwords may come in these variables; they are no settings. Arguments would be seen by every user of the machine. */
export const PASSWORD_VARIABLES = ['PUFFERBLOW_OWNER_PASSWORD', 'PUFFERBLOW_USER_PASSWORD'] as const

export interface PasswordOptions {
  readonly passwordStdin?: true
  readonly passwordFile?: string
  readonly generatePassword?: true
}

/** Adds the options by which a password can be given. */
export function withPasswordOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--password-stdin', 'read the password from standard input').conflicts('passwordFile'),
    )
    .option('--password-file <file>', 'read the password from a file')
}

/** Adds the option to have a password made. */
export function withGeneratedPassword(command: Command): Command {
  return command.addOption(
    new Option('--generate-password', 'make a random password and print it').conflicts([
      'passwordStdin',
      'passwordFile',
    ]),
  )
}

/** Whether one of the ways other than asking was chosen. */
export function givesPassword(
  options: PasswordOptions,
  variable: (typeof PASSWORD_VARIABLES)[number],
): boolean {
  return (
    options.passwordStdin === true ||
    options.passwordFile !== undefined ||
    options.generatePassword === true ||
    Boolean(process.env[variable])
  )
}

/**
 * The password from the option given, else from the environment, else from the person at the terminal.
 *
 * @throws CommandError, CommanderError
 */
export async function takePassword(
  command: Command,
  options: PasswordOptions,
  variable: (typeof PASSWORD_VARIABLES)[number],
): Promise<{ password: string; generated: boolean }> {
  if (options.generatePassword) return { password: randomBytes(15).toString('base64url'), generated: true }
  const given = await givenPassword(options, variable)
  if (given !== undefined) return { password: given, generated: false }
  if (canAsk()) return { password: await askNewPassword(), generated: false }
  const ways = command.options.map(({ long }) => long).filter((long) => long?.includes('password'))
  return command.error(`error: a password is missing; give ${ways.join(' or ')}, or set ${variable}`)
}

async function givenPassword(options: PasswordOptions, variable: string): Promise<string | undefined> {
  if (options.passwordStdin) return oneLine(await text(process.stdin), 'standard input')
  if (options.passwordFile !== undefined) return oneLine(read(options.passwordFile), options.passwordFile)
  return process.env[variable] || undefined
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`the password cannot be read: ${(error as Error).message}`)
  }
}

function oneLine(content: string, where: string): string {
  const password = content.replace(/\r?\n$/, '')
  if (password === '') throw new CommandError(`there is no password in ${where}`)
  if (/[\r\n]/.test(password)) throw new CommandError(`the password in ${where} has more than one line`)
  return password
}
