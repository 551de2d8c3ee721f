import { readFile, statfs } from 'node:fs/promises'
import { cpus, freemem, totalmem, uptime } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

/** A sample is shown for so long: however many ask, the machine is looked at once a second. */
const FRESH_MS = 1000
/** Rates are differences: between two looks at least this much time passes. */
const APART_MS = 250
/** An earlier look may serve as the first of the two while it is no older than this. */
const BASE_MS = 10_000
const MB = 1024 * 1024
const GB = 1024 * MB
const SECTOR = 512
/** Whole disks, not their partitions: their sectors would count twice. */
const DISK = /^(?:sd[a-z]+|vd[a-z]+|xvd[a-z]+|hd[a-z]+|nvme\d+n\d+|mmcblk\d+)$/

/** Counters that only go up. */
interface Look {
  readonly at: number
  readonly cpuBusyMs: number
  readonly cpuTotalMs: number
  readonly ownCpuMs: number
  readonly diskRead: number
  readonly diskWritten: number
  readonly received: number
  readonly sent: number
}

/** How busy the machine and this process are. Rates are those of the last moments. */
export interface MachineUsage {
  readonly cpuPercent: number
  readonly ramUsedGb: number
  readonly ramTotalGb: number
  readonly diskReadMbPerSec: number
  readonly diskWriteMbPerSec: number
  readonly networkReceiveMbPerSec: number
  readonly networkSendMbPerSec: number
  readonly storageUsedGb: number
  readonly storageTotalGb: number
  readonly uptimeSeconds: number
  readonly processCpuPercent: number
  readonly processRamMb: number
  readonly processUptimeSeconds: number
}

/** Looks at the machine without blocking the thread. Disk and network figures come from /proc: elsewhere they are 0. */
export class Machine {
  readonly #folder: string
  #base: Look | undefined
  #sample: { at: number; usage: Promise<MachineUsage> } | undefined

  /** @param folder whose file system is shown */
  constructor(folder: string) {
    this.#folder = folder
  }

  usage(): Promise<MachineUsage> {
    const now = performance.now()
    if (!this.#sample || now - this.#sample.at > FRESH_MS) this.#sample = { at: now, usage: this.#measure() }
    return this.#sample.usage
  }

  async #measure(): Promise<MachineUsage> {
    let before = this.#base
    const age = before ? performance.now() - before.at : Infinity
    if (!before || age > BASE_MS || age < APART_MS) {
      before = await look()
      await sleep(APART_MS)
    }
    const after = await look()
    this.#base = after
    const seconds = (after.at - before.at) / 1000
    const cpuTime = after.cpuTotalMs - before.cpuTotalMs
    const rate = (now: number, then: number): number => round(Math.max(0, now - then) / MB / seconds)
    const storage = await statfs(this.#folder)
    const total = totalmem()
    return {
      cpuPercent: cpuTime > 0 ? percent(after.cpuBusyMs - before.cpuBusyMs, cpuTime) : 0,
      ramUsedGb: round((total - freemem()) / GB),
      ramTotalGb: round(total / GB),
      diskReadMbPerSec: rate(after.diskRead, before.diskRead),
      diskWriteMbPerSec: rate(after.diskWritten, before.diskWritten),
      networkReceiveMbPerSec: rate(after.received, before.received),
      networkSendMbPerSec: rate(after.sent, before.sent),
      storageUsedGb: round(((storage.blocks - storage.bfree) * storage.bsize) / GB),
      storageTotalGb: round((storage.blocks * storage.bsize) / GB),
      uptimeSeconds: Math.floor(uptime()),
      processCpuPercent: percent(after.ownCpuMs - before.ownCpuMs, seconds * 1000),
      processRamMb: round(process.memoryUsage.rss() / MB),
      processUptimeSeconds: Math.floor(process.uptime()),
    }
  }
}

async function look(): Promise<Look> {
  const [disks, interfaces] = await Promise.all([proc('/proc/diskstats'), proc('/proc/net/dev')])
  let [cpuBusyMs, cpuTotalMs] = [0, 0]
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.idle + times.irq
    cpuTotalMs += all
    cpuBusyMs += all - times.idle
  }
  const own = process.cpuUsage()
  const disk = disks.map((line) => line.trim().split(/\s+/)).filter((fields) => DISK.test(fields[2] ?? ''))
  const network = interfaces
    .map((line) => /^\s*([^:\s]+):\s*(.*)$/.exec(line))
    .flatMap((match) => (match && match[1] !== 'lo' ? [match[2]!.trim().split(/\s+/)] : []))
  const sum = (rows: readonly string[][], column: number): number =>
    rows.reduce((total, row) => total + Number(row[column] ?? 0), 0)
  return {
    at: performance.now(),
    cpuBusyMs,
    cpuTotalMs,
    ownCpuMs: (own.user + own.system) / 1000,
    diskRead: sum(disk, 5) * SECTOR,
    diskWritten: sum(disk, 9) * SECTOR,
    received: sum(network, 0),
    sent: sum(network, 8),
  }
}

/** Lines of a file of the kernel; none where there is no such file. */
async function proc(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n')
}

function percent(part: number, whole: number): number {
  return round(Math.max(0, (part / whole) * 100))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
