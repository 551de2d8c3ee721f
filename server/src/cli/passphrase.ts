import { readFileSync } from 'node:fs'
import { Option, type Command } from 'commander'
import { askNewPassword, canAsk } from './ask.ts'
import { CommandError } from './fail.ts'

const VARIABLE = 'PUFFERBLOW_BACKUP_PASSPHRASE'
const MIN_CHARACTERS = 12

export interface PassphraseOptions {
  readonly passphraseFile?: string
}

export function withPassphrase(command: Command): Command {
  return command.addOption(
    new Option('--passphrase-file <file>', `read the passphrase from a file (or set ${VARIABLE})`),
  )
}

/**
 * The passphrase that protects a backup.
 *
 * @throws CommandError when there is none, or a new one is too short to protect everything that a server has
 */
export async function takePassphrase(
  { passphraseFile }: PassphraseOptions,
  { isNew }: { isNew: boolean },
): Promise<string> {
  const given =
    passphraseFile === undefined
      ? process.env[VARIABLE]
      : readFileSync(passphraseFile, 'utf8').replace(/\r?\n$/, '')
  const passphrase = given || (canAsk() ? await askNewPassword() : undefined)
  if (passphrase === undefined)
    throw new CommandError(`a passphrase is missing; give --passphrase-file or set ${VARIABLE}`)
  if (isNew && [...passphrase].length < MIN_CHARACTERS)
    throw new CommandError(`the passphrase must have at least ${MIN_CHARACTERS} characters`)
  return passphrase
}
