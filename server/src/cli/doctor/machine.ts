import { readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { fail, ok, warn, type Check } from './check.ts'

const NEEDED_NODE = [24, 21] as const
const MIB = 1024 * 1024
/** Each socket of a client takes one; the database and the log take a few. */
const ENOUGH_FILES = 4096

export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const needed = NEEDED_NODE.join('.')
  if (major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1])) {
    return ok('node', `Node.js ${version}`)
  }
  return fail(
    'node',
    `Node.js ${version} is older than ${needed}`,
    'start with: npm start, which takes the right one',
  )
}

/** A clock that is far off makes tokens expired or eternal. */
export function checkClock(now: Date): Check {
  const year = now.getUTCFullYear()
  if (year >= 2025 && year < 2100) return ok('clock', now.toISOString())
  return fail('clock', `it says ${now.toISOString()}`, 'set the clock of this machine, best by NTP')
}

/** Room on the disk of `folder`, or of the nearest folder above that exists. */
export function checkDiskSpace(folder: string): Check {
  let free: number
  try {
    const { bavail, bsize } = statfsSync(folder)
    free = bavail * bsize
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' && dirname(folder) !== folder) return checkDiskSpace(dirname(folder))
    return warn('disk', `the free space of ${folder} cannot be read (${code})`, 'look at it with: df')
  }
  const found =
    free >= 1024 * MIB ? `${(free / MIB / 1024).toFixed(1)} GiB free` : `${Math.floor(free / MIB)} MiB free`
  const advice = `make room on the disk of ${folder}: when it is full, nothing can be stored any more`
  if (free < 100 * MIB) return fail('disk', found, advice)
  return free < 1024 * MIB ? warn('disk', found, advice) : ok('disk', found)
}

export function checkOpenFiles(limits = readLimits()): Check {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1]
  if (soft === undefined) return ok('open files', 'the limit is not known on this system')
  if (soft === 'unlimited' || Number(soft) >= ENOUGH_FILES) return ok('open files', `limit ${soft}`)
  return warn(
    'open files',
    `the limit is ${soft}, and each connected client takes one`,
    `raise it to at least ${ENOUGH_FILES}, with LimitNOFILE= in the systemd unit or ulimit -n`,
  )
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return ''
  }
}
