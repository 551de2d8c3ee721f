import { pictureAddress } from '#features/files/index.ts'
import type { ActivityType } from '#features/stats/index.ts'
import { isoTime } from '#lib/clock.ts'
import type { ActivityWithUser } from './store.ts'

type Details = Record<string, unknown>

interface Words {
  readonly title: string
  /** @param who name of the user, as it is now */
  readonly describe: (who: string, details: Details) => string
}

const words: Readonly<Record<ActivityType, Words>> = {
  user_joined: { title: 'New user', describe: (who) => `${who} joined the server` },
  user_signed_in: { title: 'Sign-in', describe: (who) => `${who} signed in` },
  user_left: { title: 'User left', describe: (who, { because }) => `${who} was ${String(because)}` },
  channel_created: {
    title: 'New channel',
    describe: (who, { channel_name: name }) => `${who} created the channel ${String(name)}`,
  },
  server_settings_updated: {
    title: 'Settings changed',
    describe: (who, { field }) => `${who} changed ${String(field)}`,
  },
  server_avatar_updated: {
    title: 'New picture',
    describe: (who, { field }) =>
      `${who} changed the ${field === 'server_banner' ? 'banner' : 'avatar'} of the server`,
  },
  file_upload: { title: 'Upload', describe: (who) => `${who} uploaded a file` },
  logs_viewed: { title: 'Logs read', describe: (who) => `${who} read the logs of the server` },
}

export function activityToWire(row: ActivityWithUser) {
  const { title, describe } = words[row.type as ActivityType]
  const details = JSON.parse(row.details) as Details
  const user =
    row.user_id !== null && row.username !== null ? { id: row.user_id, username: row.username } : null
  return {
    id: row.id,
    type: row.type,
    title,
    description: describe(user?.username ?? 'Somebody', details),
    timestamp: isoTime(row.at),
    user: user && { ...user, avatar_url: pictureAddress(row.avatar) },
    metadata: { ...details, ...aboutUser(row, user?.username) },
  }
}

/** What clients know of an account, under the names that they know. */
function aboutUser(row: ActivityWithUser, username: string | undefined): Details {
  if (username === undefined) return {}
  switch (row.type as ActivityType) {
    case 'user_joined':
      return { username, user_id: row.user_id, joined_at: isoTime(row.at) }
    case 'user_signed_in':
    case 'user_left':
      return { username, user_id: row.user_id }
    default:
      return {}
  }
}
