import { isIP } from 'node:net'
import { addressBlock, clamdAddress, corsOrigin, databaseUrl, flag, host, integer } from './kinds.ts'
import { listOf, oneOf, optional, ports, redisUrl, s3Endpoint, text, timeZone } from './kinds.ts'
import { webAddress, webOrigin, type Kind } from './kinds.ts'
import { isIceUrl } from './kinds.ts'

/** One setting: what it may hold, where it comes from and what it is for. */
export interface Setting<T = unknown> {
  readonly kind: Kind<T>
  readonly env: string
  readonly default: T
  /** What the manual shows where the default is worked out rather than fixed. */
  readonly defaultNote?: string
  readonly description: string
  /** Never shown, not even in an error. */
  readonly secret?: true
  /** Needed before, or kept out of, the configuration file. */
  readonly envOnly?: true
}

function setting<T>(kind: Kind<T>, rest: Omit<Setting<NoInfer<T>>, 'kind'>): Setting<T> {
  return { kind, ...rest }
}

/** Languages whose words search can reduce to their stems. */
const searchLanguages = [
  'arabic',
  'armenian',
  'bulgarian',
  'danish',
  'dutch',
  'english',
  'finnish',
  'french',
  'german',
  'greek',
  'hungarian',
  'indonesian',
  'irish',
  'italian',
  'lithuanian',
  'norwegian',
  'portuguese',
  'romanian',
  'russian',
  'spanish',
  'swedish',
  'turkish',
  'ukrainian',
] as const

export type SearchLanguage = (typeof searchLanguages)[number]

/** The sections of `pufferblow.toml`, in the order of the manual. */
export const SECTIONS = {
  server: 'The listener, and how the world reaches it.',
  database: 'Where rows are kept: SQLite by default, PostgreSQL if given.',
  redis: 'Redis or Valkey, if there is one: what several processes of one server share.',
  accounts: 'Registration, passwords and the life of tokens.',
  storage: 'Where uploaded files are kept: in the data folder, or in a bucket of an S3-compatible service.',
  gateway: 'WebSocket connections and what is kept for clients which reconnect.',
  voice: 'Voice channels: the port for media, and how the world reaches it.',
  audit: 'The record of what people with power did.',
  jobs: 'Durable work in the background.',
  tasks: 'What the server does by itself at certain times.',
  backup: 'Backups that the server makes by itself, every night.',
  releases: 'Looking for newer releases of this program.',
  stats: 'Figures about the server.',
  media: 'Decoding of pictures, which happens in processes of its own.',
  federation: 'Talking to other servers (ActivityPub). It needs a public origin with https.',
  search: 'Finding messages by their words.',
  log: 'What is written to standard output.',
  metrics: 'The Prometheus endpoint `/metrics`.',
  compat: 'Switches for clients which expect other answers than the published API.',
} as const

/**
 * Every setting there is, by its path in `pufferblow.toml`. This table is the manual too: the type {@link Config},
 * the checks, the messages and the reference page all come from it.
 */
export const SETTINGS = {
  data_dir: setting(
    text('a path', (value) => value !== '' && !value.includes('\0')),
    {
      env: 'PUFFERBLOW_DATA_DIR',
      default: './data',
      envOnly: true,
      description: 'The folder which holds everything: database, files, keys and `pufferblow.toml`.',
    },
  ),
  master_key: setting(
    optional(text('32 bytes in base64 (44 characters)', (value) => /^[A-Za-z\d+/]{43}=$/.test(value))),
    {
      env: 'PUFFERBLOW_MASTER_KEY',
      default: undefined,
      defaultNote: 'the file `keys/master.key` in the data folder, created at the first start',
      secret: true,
      envOnly: true,
      description:
        'The key which wraps all other keys. Losing it loses every message; back it up apart from the database.',
    },
  ),

  'server.host': setting(host(), {
    env: 'PUFFERBLOW_HOST',
    default: '127.0.0.1',
    description: 'Address to listen on. `0.0.0.0` or `::` listens on every interface.',
  }),
  'server.port': setting(integer(0, 65535), {
    env: 'PUFFERBLOW_PORT',
    default: 7575,
    description: 'Port to listen on; 0 takes any free one.',
  }),
  'server.public_origin': setting(webOrigin(), {
    env: 'PUFFERBLOW_PUBLIC_ORIGIN',
    default: '',
    defaultNote: '`http://<host>:<port>`',
    description:
      'How clients and other servers reach this one. It becomes part of identities: choose it once.',
  }),
  'server.trusted_proxies': setting(listOf(addressBlock()), {
    env: 'PUFFERBLOW_TRUSTED_PROXIES',
    default: [],
    description: 'Reverse proxies whose `X-Forwarded-*` headers are believed. Empty: believe nobody.',
  }),
  'server.cors_origins': setting(listOf(corsOrigin()), {
    env: 'PUFFERBLOW_CORS_ORIGINS',
    default: ['*'],
    description:
      'Web pages which may call the API. Answers never allow credentials, so `*` exposes no cookie.',
  }),
  'server.body_limit_kb': setting(integer(16, 65536), {
    env: 'PUFFERBLOW_SERVER_BODY_LIMIT_KB',
    default: 1024,
    description: 'Largest request body in KiB, file uploads aside.',
  }),
  'server.shutdown_seconds': setting(integer(1, 300), {
    env: 'PUFFERBLOW_SERVER_SHUTDOWN_SECONDS',
    default: 10,
    description: 'How long requests in progress may take to finish after SIGTERM.',
  }),

  'database.url': setting(databaseUrl(), {
    env: 'PUFFERBLOW_DATABASE_URL',
    default: '',
    defaultNote: 'the SQLite file `db/pufferblow.sqlite` in the data folder',
    secret: true,
    description:
      '`sqlite:<path>` (relative to the working directory) or `postgres://user:password@host/database`.',
  }),
  'database.pool_size': setting(integer(1, 1000), {
    env: 'PUFFERBLOW_DATABASE_POOL_SIZE',
    default: 10,
    description: 'Most connections to PostgreSQL at a time.',
  }),
  'database.statement_timeout_ms': setting(integer(100, 600_000), {
    env: 'PUFFERBLOW_DATABASE_STATEMENT_TIMEOUT_MS',
    default: 10_000,
    description: 'A statement which runs longer is cancelled.',
  }),
  'database.cache_mb': setting(integer(1, 65536), {
    env: 'PUFFERBLOW_DATABASE_CACHE_MB',
    default: 16,
    description: 'Page cache of SQLite in MiB.',
  }),

  'redis.url': setting(redisUrl(), {
    env: 'PUFFERBLOW_REDIS_URL',
    default: '',
    defaultNote: 'none',
    secret: true,
    description: '`redis://user:password@host:port/database`, `rediss://` with TLS, or `unix:<path>`.',
  }),

  'accounts.registration': setting(oneOf(['open', 'invite', 'closed']), {
    env: 'PUFFERBLOW_REGISTRATION',
    default: 'open',
    description:
      'Whether anybody may create an account, only who has an invite, or nobody. The server setting `registration` wins.',
  }),
  'accounts.password_min_length': setting(integer(8, 128), {
    env: 'PUFFERBLOW_ACCOUNTS_PASSWORD_MIN_LENGTH',
    default: 8,
    description: 'Shortest password for new accounts and password changes.',
  }),
  'accounts.access_token_minutes': setting(integer(1, 1440), {
    env: 'PUFFERBLOW_ACCOUNTS_ACCESS_TOKEN_MINUTES',
    default: 15,
    description: 'Life of an access token; clients renew it by themselves.',
  }),
  'accounts.refresh_token_days': setting(integer(1, 365), {
    env: 'PUFFERBLOW_ACCOUNTS_REFRESH_TOKEN_DAYS',
    default: 30,
    description: 'A device which was not used for so long has to sign in again.',
  }),
  'accounts.password_hash_concurrency': setting(integer(1, 64), {
    env: 'PUFFERBLOW_ACCOUNTS_PASSWORD_HASH_CONCURRENCY',
    default: 2,
    description: 'Passwords hashed at the same time. Each takes a core and tens of MiB for a moment.',
  }),
  'accounts.password_hash_queue': setting(integer(0, 10_000), {
    env: 'PUFFERBLOW_ACCOUNTS_PASSWORD_HASH_QUEUE',
    default: 64,
    description: 'Passwords which may wait to be hashed; beyond that, sign-in answers 503.',
  }),

  'storage.backend': setting(oneOf(['auto', 'disk', 's3']), {
    env: 'PUFFERBLOW_STORAGE_BACKEND',
    default: 'auto',
    description:
      'Where new files go. `auto`: to the bucket if one is set, else to the disk. Files in the other place stay readable.',
  }),
  'storage.encrypt': setting(flag(), {
    env: 'PUFFERBLOW_STORAGE_ENCRYPT',
    default: true,
    description: 'Whether new files are encrypted where they are kept. Each has a key of its own.',
  }),
  'storage.min_free_mb': setting(integer(0, 1_000_000), {
    env: 'PUFFERBLOW_STORAGE_MIN_FREE_MB',
    default: 512,
    description: 'Uploads are refused when the disk of the data folder has less than this left, in MiB.',
  }),
  'storage.link_hours': setting(integer(1, 720), {
    env: 'PUFFERBLOW_STORAGE_LINK_HOURS',
    default: 24,
    description:
      'How long the links to files in messages are good. They end earlier when the session or the channel is lost.',
  }),
  'storage.s3_endpoint': setting(s3Endpoint(), {
    env: 'PUFFERBLOW_S3_ENDPOINT',
    default: '',
    defaultNote: 'the service of Amazon',
    description: 'Address of an S3-compatible service.',
  }),
  'storage.s3_bucket': setting(
    text('the name of a bucket', (value) => value === '' || /^[\w.-]{1,255}$/.test(value)),
    {
      env: 'PUFFERBLOW_S3_BUCKET',
      default: '',
      description: 'The bucket. It must exist. Empty: files are kept on the disk.',
    },
  ),
  'storage.s3_region': setting(
    text('the name of a region', (value) => /^[\w-]{1,64}$/.test(value)),
    { env: 'PUFFERBLOW_S3_REGION', default: 'us-east-1', description: 'Region of the bucket.' },
  ),
  'storage.s3_prefix': setting(
    text('letters, digits, `/`, `-`, `_` and `.`', (value) => /^[\w/.-]{0,200}$/.test(value)),
    {
      env: 'PUFFERBLOW_S3_PREFIX',
      default: '',
      description: 'Put before the name of every object, so that a bucket can be shared.',
    },
  ),
  'storage.s3_access_key': setting(
    text('text without spaces', (value) => /^[\x21-\x7e]*$/.test(value)),
    { env: 'PUFFERBLOW_S3_ACCESS_KEY', default: '', secret: true, description: 'Id of the access key.' },
  ),
  'storage.s3_secret_key': setting(
    text('text without spaces', (value) => /^[\x21-\x7e]*$/.test(value)),
    { env: 'PUFFERBLOW_S3_SECRET_KEY', default: '', secret: true, description: 'The access key itself.' },
  ),

  'gateway.ping_seconds': setting(integer(5, 120), {
    env: 'PUFFERBLOW_GATEWAY_PING_SECONDS',
    default: 25,
    description: 'Time between pings; a socket which misses one is closed.',
  }),
  'gateway.send_queue_kb': setting(integer(16, 65536), {
    env: 'PUFFERBLOW_GATEWAY_SEND_QUEUE_KB',
    default: 1024,
    description: 'Unsent data per socket in KiB; a reader slower than this is disconnected and may resume.',
  }),
  'gateway.max_frame_kb': setting(integer(1, 1024), {
    env: 'PUFFERBLOW_GATEWAY_MAX_FRAME_KB',
    default: 64,
    description: 'Largest frame accepted from a client in KiB.',
  }),
  'gateway.max_sockets_per_user': setting(integer(1, 1000), {
    env: 'PUFFERBLOW_GATEWAY_MAX_SOCKETS_PER_USER',
    default: 32,
    description: 'Sockets an account may hold open.',
  }),
  'gateway.resume_limit': setting(integer(1, 100_000), {
    env: 'PUFFERBLOW_GATEWAY_RESUME_LIMIT',
    default: 1000,
    description: 'Most events sent again to a client which resumes; one further behind starts afresh.',
  }),
  'gateway.event_retention_hours': setting(integer(1, 8760), {
    env: 'PUFFERBLOW_GATEWAY_EVENT_RETENTION_HOURS',
    default: 72,
    description: 'How long events are kept for clients which resume.',
  }),
  'gateway.presence_grace_seconds': setting(integer(0, 300), {
    env: 'PUFFERBLOW_GATEWAY_PRESENCE_GRACE_SECONDS',
    default: 5,
    description: 'A user whose last socket closed is shown online for so long, which hides short reconnects.',
  }),

  'voice.enabled': setting(flag(), {
    env: 'PUFFERBLOW_VOICE_ENABLED',
    default: true,
    description: 'Whether people may join voice channels.',
  }),
  'voice.port': setting(integer(0, 65535), {
    env: 'PUFFERBLOW_VOICE_PORT',
    default: 7576,
    description:
      'Port for media: UDP, and TCP on the same number. It must be open to everybody who is to be heard; a ' +
      'reverse proxy cannot pass it on. Used only while somebody is in a voice channel; 0 takes any free one.',
  }),
  'voice.host': setting(optional(text('an IP address', (value) => isIP(value) !== 0)), {
    env: 'PUFFERBLOW_VOICE_HOST',
    default: undefined,
    defaultNote: 'every address of this machine; only this machine while `server.public_origin` names it',
    description: 'Address for media. `0.0.0.0` takes all of IPv4, `::` all addresses.',
  }),
  'voice.announced_addresses': setting(listOf(text('an IP address', (value) => isIP(value) !== 0)), {
    env: 'PUFFERBLOW_VOICE_ANNOUNCED_ADDRESSES',
    default: [],
    defaultNote: 'the addresses of this machine',
    description:
      'Where clients are told to send media. Needed behind NAT and in containers, where the addresses of the ' +
      'machine are not those that the world knows.',
  }),
  'voice.tcp': setting(flag(), {
    env: 'PUFFERBLOW_VOICE_TCP',
    default: true,
    description: 'Whether media may also come over TCP, for networks that let no UDP through.',
  }),
  'voice.stun_urls': setting(listOf(text('a URL such as stun:stun.example.org:3478', isIceUrl('stun'))), {
    env: 'PUFFERBLOW_VOICE_STUN_URLS',
    default: [],
    description:
      'STUN servers that clients are told of. None is needed; none of the public ones is used by itself.',
  }),
  'voice.turn_urls': setting(
    listOf(text('a URL such as turn:turn.example.org:3478?transport=udp', isIceUrl('turn'))),
    {
      env: 'PUFFERBLOW_VOICE_TURN_URLS',
      default: [],
      description: 'TURN servers for networks that let nothing else through. They need `voice.turn_secret`.',
    },
  ),
  'voice.turn_secret': setting(
    text('text of 16 characters or more', (value) => value === '' || value.length >= 16),
    {
      env: 'PUFFERBLOW_VOICE_TURN_SECRET',
      default: '',
      secret: true,
      description:
        'The secret shared with the TURN servers (`static-auth-secret` of coturn), from which each client gets a ' +
        'password of its own for a limited time.',
    },
  ),
  'voice.turn_minutes': setting(integer(5, 1440), {
    env: 'PUFFERBLOW_VOICE_TURN_MINUTES',
    default: 240,
    description: 'How long the TURN password of a client is good.',
  }),
  'voice.max_participants': setting(integer(1, 10_000), {
    env: 'PUFFERBLOW_VOICE_MAX_PARTICIPANTS',
    default: 500,
    description: 'People in voice channels at the same time, on the whole server. Others are refused.',
  }),
  'voice.max_channel_participants': setting(integer(2, 2000), {
    env: 'PUFFERBLOW_VOICE_MAX_CHANNEL_PARTICIPANTS',
    default: 100,
    description: 'People in one voice channel at the same time; a channel may have a lower limit of its own.',
  }),
  'voice.audible_participants': setting(integer(1, 50), {
    env: 'PUFFERBLOW_VOICE_AUDIBLE_PARTICIPANTS',
    default: 8,
    description: 'How many people are heard at once in a channel: the loudest.',
  }),
  'voice.bitrate_kbps': setting(integer(12, 256), {
    env: 'PUFFERBLOW_VOICE_BITRATE_KBPS',
    default: 64,
    description: 'Highest bitrate that clients are asked to send at; the profile they choose may be lower.',
  }),
  'voice.resume_seconds': setting(integer(5, 300), {
    env: 'PUFFERBLOW_VOICE_RESUME_SECONDS',
    default: 30,
    description: 'How long somebody stays in a channel whose socket was lost; media goes on meanwhile.',
  }),

  'audit.retention_days': setting(integer(0, 36_500), {
    env: 'PUFFERBLOW_AUDIT_RETENTION_DAYS',
    default: 365,
    description:
      'How long entries of the audit log are kept; 0 keeps them for ever. Only here: whoever can change the log ' +
      'through the API could hide what they did.',
  }),

  'jobs.concurrency': setting(integer(1, 256), {
    env: 'PUFFERBLOW_JOBS_CONCURRENCY',
    default: 16,
    description: 'Background jobs which run at the same time.',
  }),

  'tasks.time_zone': setting(timeZone(), {
    env: 'PUFFERBLOW_TASKS_TIME_ZONE',
    default: 'UTC',
    description: 'Time zone of the schedules of background tasks: what runs at night runs at night there.',
  }),

  'backup.folder': setting(
    text('a path', (value) => !value.includes('\0')),
    {
      env: 'PUFFERBLOW_BACKUP_FOLDER',
      default: '',
      defaultNote: 'none: no backups are made',
      description: 'Folder for backups, best on another disk. Put its files on another machine as well.',
    },
  ),
  'backup.passphrase': setting(
    text('at least 12 characters', (value) => value === '' || [...value].length >= 12),
    {
      env: 'PUFFERBLOW_BACKUP_PASSPHRASE',
      default: '',
      secret: true,
      description:
        'Opens the backups; the command `backup` reads the variable too. Keep it elsewhere as well: without it they are worth nothing.',
    },
  ),
  'backup.keep': setting(integer(1, 1000), {
    env: 'PUFFERBLOW_BACKUP_KEEP',
    default: 7,
    description: 'So many backups stay in the folder; the oldest are removed.',
  }),

  'releases.url': setting(webAddress(), {
    env: 'PUFFERBLOW_RELEASES_URL',
    default: '',
    defaultNote: 'none: nobody is asked',
    description:
      'Where the newest release is found, as JSON in the form of the GitHub API (`…/releases/latest`), with https.',
  }),

  'stats.public': setting(flag(), {
    env: 'PUFFERBLOW_STATS_PUBLIC',
    default: true,
    description:
      'Whether anybody may read how many users, channels and messages there are. Otherwise it takes `view_server_stats`.',
  }),
  'stats.activity_retention_days': setting(integer(1, 3650), {
    env: 'PUFFERBLOW_STATS_ACTIVITY_RETENTION_DAYS',
    default: 90,
    description: 'How long it is remembered who signed up and in, created channels and changed settings.',
  }),

  'storage.clamav': setting(clamdAddress(), {
    env: 'PUFFERBLOW_STORAGE_CLAMAV',
    default: '',
    description: 'Where ClamAV listens, `unix:<path>` or `tcp:<host>:<port>`. Empty: files are not scanned.',
  }),
  'storage.clamav_required': setting(flag(), {
    env: 'PUFFERBLOW_STORAGE_CLAMAV_REQUIRED',
    default: true,
    description: 'Whether a file is refused when ClamAV does not answer. Otherwise it is taken unscanned.',
  }),
  'storage.clamav_timeout_seconds': setting(integer(1, 600), {
    env: 'PUFFERBLOW_STORAGE_CLAMAV_TIMEOUT_SECONDS',
    default: 60,
    description: 'How long ClamAV may be silent while it scans a file.',
  }),

  'media.processes': setting(integer(1, 32), {
    env: 'PUFFERBLOW_MEDIA_PROCESSES',
    default: 1,
    description: 'Pictures decoded at the same time, each in a process of its own with low priority.',
  }),
  'media.queue': setting(integer(0, 10_000), {
    env: 'PUFFERBLOW_MEDIA_QUEUE',
    default: 64,
    description:
      'Pictures which may wait to be decoded; beyond that, uploads of pictures are refused with 503.',
  }),
  'media.timeout_seconds': setting(integer(1, 300), {
    env: 'PUFFERBLOW_MEDIA_TIMEOUT_SECONDS',
    default: 20,
    description: 'A picture which takes longer to decode is refused, and its process is killed.',
  }),
  'media.memory_mb': setting(integer(128, 65_536), {
    env: 'PUFFERBLOW_MEDIA_MEMORY_MB',
    default: 512,
    description: 'A process which takes more memory than this (in MiB) is killed, and its picture refused.',
  }),
  'media.max_megapixels': setting(integer(1, 1000), {
    env: 'PUFFERBLOW_MEDIA_MAX_MEGAPIXELS',
    default: 64,
    description: 'Pictures of more million pixels are refused before they are decoded.',
  }),
  'media.max_frames': setting(integer(1, 100_000), {
    env: 'PUFFERBLOW_MEDIA_MAX_FRAMES',
    default: 1000,
    description: 'Moving pictures of more frames are refused.',
  }),

  'federation.mode': setting(oneOf(['open', 'allow_list', 'off']), {
    env: 'PUFFERBLOW_FEDERATION_MODE',
    default: 'open',
    description:
      'With whom this server talks: `open` with every peer that is not blocked, `allow_list` only with those that ' +
      'were allowed, `off` with nobody.',
  }),
  'federation.peer_rate': setting(integer(1, 100_000), {
    env: 'PUFFERBLOW_FEDERATION_PEER_RATE',
    default: 50,
    description: 'Activities a second which are taken from one other server, averaged over a minute.',
  }),
  'federation.ports': setting(ports(), {
    env: 'PUFFERBLOW_FEDERATION_PORTS',
    default: [],
    description: 'Ports besides 443 on which other servers may be called.',
  }),
  'federation.allow_private': setting(flag(), {
    env: 'PUFFERBLOW_FEDERATION_ALLOW_PRIVATE',
    default: false,
    description:
      'Also call peers on this machine and in private networks, with plain http and on any port. For tests: ' +
      'strangers can then make this server call your other services.',
  }),

  'search.languages': setting(listOf(oneOf(searchLanguages)), {
    env: 'PUFFERBLOW_SEARCH_LANGUAGES',
    default: ['english'],
    description:
      'Languages people write in: there a word is also found by its other forms. After a change, older messages ' +
      'are indexed again in the background.',
  }),

  'log.level': setting(oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), {
    env: 'PUFFERBLOW_LOG_LEVEL',
    default: 'info',
    description: 'The least important lines that are written.',
  }),
  'log.format': setting(oneOf(['json', 'pretty', 'auto']), {
    env: 'PUFFERBLOW_LOG_FORMAT',
    default: 'auto',
    description: '`auto` writes `pretty` to a terminal and `json` everywhere else.',
  }),

  'metrics.enabled': setting(flag(), {
    env: 'PUFFERBLOW_METRICS',
    default: true,
    description: 'Whether `/metrics` answers.',
  }),
  'metrics.token': setting(
    text('text without spaces', (value) => /^[\x21-\x7e]*$/.test(value)),
    {
      env: 'PUFFERBLOW_METRICS_TOKEN',
      default: '',
      secret: true,
      description: 'Bearer token for `/metrics`. Empty: only clients on this machine may read it.',
    },
  ),

  'compat.upstream_client': setting(flag(), {
    env: 'PUFFERBLOW_COMPAT_UPSTREAM_CLIENT',
    default: false,
    description:
      'Answer in the forms that the original web client needs: attachment objects, a JSON body on every success.',
  }),
} as const

/** The path of a setting, such as `server.port`. */
export type SettingPath = keyof typeof SETTINGS

/** The type of the value at a path. */
export type SettingValue<P extends SettingPath> = (typeof SETTINGS)[P] extends Setting<infer T> ? T : never

type SectionName = keyof typeof SECTIONS
type KeyOf<S extends SectionName, P extends SettingPath> = P extends `${S}.${infer K}` ? K : never

/** The settings as the server uses them, nested as in the file: `config.server.port`. */
export type Config = {
  readonly [S in SectionName]: {
    readonly [P in SettingPath as KeyOf<S, P>]: SettingValue<P>
  }
} & {
  readonly [P in SettingPath as P extends `${string}.${string}` ? never : P]: SettingValue<P>
}

/** All paths, in the order of the table. */
export const SETTING_PATHS = Object.keys(SETTINGS) as readonly SettingPath[]

/** The declaration behind a path, seen without its exact type. */
export function settingOf(path: SettingPath): Setting {
  return SETTINGS[path]
}
