import type { Migration } from 'kysely/migration'
import * as core from './0001-core.ts'
import * as jobs from './0002-jobs.ts'
import * as files from './0003-files.ts'
import * as stats from './0004-stats.ts'
import * as roles from './0005-roles.ts'
import * as limits from './0006-limits.ts'
import * as dms from './0007-dms.ts'
import * as federation from './0008-federation.ts'
import * as search from './0009-search.ts'
import * as voice from './0010-voice.ts'
import * as conversation from './0011-conversation.ts'
import * as notifications from './0012-notifications.ts'

/** All migrations in order. A released one is never changed; a change is a new one. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-core': core,
  '0002-jobs': jobs,
  '0003-files': files,
  '0004-stats': stats,
  '0005-roles': roles,
  '0006-limits': limits,
  '0007-dms': dms,
  '0008-federation': federation,
  '0009-search': search,
  '0010-voice': voice,
  '0011-conversation': conversation,
  '0012-notifications': notifications,
}
