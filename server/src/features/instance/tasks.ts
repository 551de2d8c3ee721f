import type { Context } from '#context'
import { version } from '#lib/version.ts'
import { isNewer } from './releases.ts'

export function instanceTasks(ctx: Pick<Context, 'tasks' | 'config' | 'log' | 'releases'>): void {
  ctx.tasks.register({
    id: 'github_releases_check',
    name: 'Release check',
    description:
      'Asks for the newest release of this program where `releases.url` says, and logs it if it is newer.',
    schedule: '38 */6 * * *',
    scheduleLabel: 'Every 6 hours',
    run: async () => {
      if (ctx.config.releases.url === '') return { configured: false }
      const { release, message } = await ctx.releases.latest()
      if (message !== undefined || !release) throw new Error(message ?? 'There is no release')
      const newer = isNewer(release.version, version)
      if (newer) ctx.log.info({ release: release.version, version }, 'there is a newer release')
      return { configured: true, release: release.version, newer }
    },
  })
}
