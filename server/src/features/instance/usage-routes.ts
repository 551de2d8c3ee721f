import { z } from 'zod'
import type { Context } from '#context'
import type { Api } from '#http/endpoint.ts'
import { Machine } from './machine.ts'

const number = z.number().min(0)

const Usage = z.object({
  status_code: z.literal(200),
  server_usage: z.object({
    cpu_percent: number,
    ram_used_gb: number,
    ram_total_gb: number,
    ram_percent: number,
    disk_read_mb_per_sec: number,
    disk_write_mb_per_sec: number,
    network_receive_mb_per_sec: number,
    network_send_mb_per_sec: number,
    storage_used_gb: number,
    storage_total_gb: number,
    storage_percent: number,
    uptime_seconds: number.meta({ description: 'Of the machine.' }),
    uptime_formatted: z.string().meta({ example: '3d 4h 5m' }),
    process: z.object({
      cpu_percent: number.meta({ description: 'Of one processor.' }),
      ram_mb: number,
      uptime_seconds: number,
    }),
    timestamp: z.int().meta({ description: 'Unix time in seconds.' }),
  }),
})

/** How busy the machine is. Known clients ask without a token. */
export function usageRoutes(api: Api, ctx: Context): void {
  const machine = new Machine(ctx.config.data_dir)
  api.endpoint(
    {
      method: 'POST',
      path: '/api/v1/system/server-usage',
      tag: 'Server administration',
      summary: 'How busy the machine is: processor, memory, disk, network, this program',
      description: 'Looked at once a second at most.',
      access: ctx.config.stats.public ? 'public' : 'view_server_stats',
      bucket: 'default',
      answers: { 200: Usage },
    },
    async () => {
      const usage = await machine.usage()
      const share = (part: number, whole: number): number =>
        whole > 0 ? Math.round((part / whole) * 1000) / 10 : 0
      return {
        server_usage: {
          cpu_percent: usage.cpuPercent,
          ram_used_gb: usage.ramUsedGb,
          ram_total_gb: usage.ramTotalGb,
          ram_percent: share(usage.ramUsedGb, usage.ramTotalGb),
          disk_read_mb_per_sec: usage.diskReadMbPerSec,
          disk_write_mb_per_sec: usage.diskWriteMbPerSec,
          network_receive_mb_per_sec: usage.networkReceiveMbPerSec,
          network_send_mb_per_sec: usage.networkSendMbPerSec,
          storage_used_gb: usage.storageUsedGb,
          storage_total_gb: usage.storageTotalGb,
          storage_percent: share(usage.storageUsedGb, usage.storageTotalGb),
          uptime_seconds: usage.uptimeSeconds,
          uptime_formatted: formatUptime(usage.uptimeSeconds),
          process: {
            cpu_percent: usage.processCpuPercent,
            ram_mb: usage.processRamMb,
            uptime_seconds: usage.processUptimeSeconds,
          },
          timestamp: Math.floor(ctx.clock() / 1000),
        },
      }
    },
  )
}

function formatUptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  return `${Math.floor(minutes / 1440)}d ${Math.floor(minutes / 60) % 24}h ${minutes % 60}m`
}
