import { randomUUID } from 'node:crypto'
import { accessSync, constants, existsSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { databaseOptionsOf } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { mayExist } from '#db/open.ts'
import { loadMasterKey, masterKeyFile } from '#keys/master-key.ts'
import { fail, ok, warn, type Check } from './check.ts'

const CLOCK_TOLERANCE_MS = 5000

/** Whether the data folder can be written, and by nobody else. */
export function checkDataFolder({ data_dir: folder }: Config): Check[] {
  if (!existsSync(folder)) return [checkFutureFolder(folder)]
  const stats = statSync(folder)
  if (!stats.isDirectory()) {
    return [
      fail(
        'data folder',
        `${folder} is not a folder`,
        'name another one with --data-dir or PUFFERBLOW_DATA_DIR',
      ),
    ]
  }
  const probe = join(folder, `.doctor-${randomUUID()}`)
  let written: number
  try {
    writeFileSync(probe, '', { flag: 'wx', mode: 0o600 })
    written = statSync(probe).mtimeMs
    unlinkSync(probe)
  } catch (error) {
    const found = `${folder} cannot be written (${(error as NodeJS.ErrnoException).code})`
    return [fail('data folder', found, 'run as the user who owns it, or give it to this user with chown')]
  }
  return [checkPrivacy(folder, stats.mode), checkFileClock(written - Date.now())]
}

function checkFutureFolder(folder: string): Check {
  let above = dirname(folder)
  while (!existsSync(above)) above = dirname(above)
  try {
    accessSync(above, constants.W_OK)
    return ok('data folder', `${folder} does not exist yet; the first start makes it`)
  } catch {
    return fail(
      'data folder',
      `${folder} does not exist and cannot be made`,
      `allow this user to write in ${above}`,
    )
  }
}

function checkPrivacy(folder: string, mode: number): Check {
  const open = process.platform !== 'win32' && (mode & 0o077) !== 0
  if (!open) return ok('data folder', `${folder} can be written, by nobody else`)
  return warn('data folder', `${folder} is open to other users of this machine`, `run: chmod 700 ${folder}`)
}

/** On a network file system the clock is another machine's. */
function checkFileClock(difference: number): Check {
  const seconds = Math.round(Math.abs(difference) / 1000)
  if (Math.abs(difference) <= CLOCK_TOLERANCE_MS) return ok('file clock', 'agrees with ours')
  return warn(
    'file clock',
    `the file system is ${seconds} s away from the clock of this machine`,
    'let NTP set both',
  )
}

/** Whether there is a master key to rely on. Makes none. */
export function checkMasterKey(config: Config): Check {
  const file = masterKeyFile(config.data_dir)
  if (config.master_key === undefined && !existsSync(file)) {
    const { url } = databaseOptionsOf(config)
    if (url.startsWith('sqlite:') && mayExist(url)) {
      return fail('master key', `${file} is gone`, 'put it back from the backup: nothing can be read without')
    }
    return ok('master key', `${file} does not exist yet; the first start makes it`)
  }
  try {
    const { source } = loadMasterKey({ dataDir: config.data_dir, fromConfig: config.master_key })
    return ok('master key', source === 'config' ? 'from the environment' : `${file} is private`)
  } catch (error) {
    return fail('master key', (error as Error).message, 'do as it says, or put the key back from the backup')
  }
}
