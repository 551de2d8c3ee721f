import { Gauge } from 'prom-client'
import { lastDrill, newestBackup } from '#backup/drill.ts'
import type { Context } from '#context'

type Deps = Pick<Context, 'config' | 'metrics'>

/** What operators watch of backups. The folder is looked into when somebody asks; without one there is nothing. */
export function backupMetrics({ config, metrics }: Deps): void {
  const { folder } = config.backup
  if (folder === '') return
  const gauge = (name: string, help: string, read: () => Promise<number | undefined>): void => {
    const made = new Gauge({
      name,
      help,
      registers: [metrics.registry],
      async collect() {
        // A folder that is away leaves a gap in the graph; the rest of the page is still worth having.
        const value = await read().catch(() => undefined)
        made.reset()
        if (value !== undefined) made.set(value)
        else made.remove()
      },
    })
  }
  gauge('pufferblow_backup_newest_timestamp_seconds', 'When the newest backup was made', async () => {
    const newest = await newestBackup(folder)
    return newest && newest.madeAt / 1000
  })
  gauge(
    'pufferblow_backup_drill_timestamp_seconds',
    'When a backup was last restored to try it',
    async () => {
      const drill = await lastDrill(folder)
      return drill && Date.parse(drill.at) / 1000
    },
  )
  gauge('pufferblow_backup_drill_ok', 'Whether that backup was whole', async () => {
    const drill = await lastDrill(folder)
    return drill && Number(drill.ok)
  })
}
