import { databaseOptionsOf } from '#config/load.ts'
import type { Config } from '#config/schema.ts'
import { Database } from '#db/database.ts'
import { EventLog } from '#db/event-log.ts'
import { Keyring } from '#db/keyring.ts'
import { migrate } from '#db/migrate.ts'
import { migrateUnlessServed, openForCommand, openForServer, type Opened } from '#db/open.ts'
import { refuseUnfinishedMove } from '#db/transfer/ledger.ts'
import { Egress } from '#egress/egress.ts'
import { Bus } from '#events/bus.ts'
import { PasswordGuard, Passwords, Profiles, type PasswordCost } from '#features/accounts/index.ts'
import { Authenticator } from '#features/auth/index.ts'
import { blockAutomatically, BlockedIps, observeBlocks } from '#features/blocked-ips/index.ts'
import { Federation } from '#features/federation/index.ts'
import { FileLinks, Vault } from '#features/files/index.ts'
import { Conversations } from '#features/dms/index.ts'
import { createServerId, Metrics, readServerId, Releases, Settings } from '#features/instance/index.ts'
import { MessageReader, RecentPages } from '#features/messages/index.ts'
import { Notifications, PushInterest } from '#features/notifications/index.ts'
import { SearchIndex } from '#features/search/index.ts'
import { Tasks } from '#features/tasks/index.ts'
import { mediaSettings, observeVoice, VoiceHub } from '#features/voice/index.ts'
import { Jobs } from '#jobs/jobs.ts'
import { JobMetrics } from '#jobs/metrics.ts'
import { Roles } from '#features/roles/index.ts'
import { KeyError, loadMasterKey, withdrawMasterKey } from '#keys/master-key.ts'
import { systemClock, type Clock } from '#lib/clock.ts'
import { newId } from '#lib/id.ts'
import { version } from '#lib/version.ts'
import { ClientAddresses } from '#http/client-address.ts'
import { RateLimiter, type Warned } from '#http/rate-limit/limiter.ts'
import { MemoryStore } from '#http/rate-limit/memory-store.ts'
import { RedisStore } from '#http/rate-limit/redis-store.ts'
import type { RateLimitStore } from '#http/rate-limit/store.ts'
import { formatNetwork, networkOf } from '#lib/ip.ts'
import type { Log } from '#log/log.ts'
import { LogTail } from '#log/tail.ts'
import { Media } from '#media/media.ts'
import { Scanner } from '#media/scanner.ts'
import { StoreHealth } from '#storage/store-health.ts'
import { Stores } from '#storage/stores.ts'
import { Sfu } from '#sfu/sfu.ts'

/** What this server is called from outside. */
export interface Instance {
  readonly serverId: string
  /** Public origin, without a slash at the end. Known for certain once the port is. */
  origin: string
  /** `host[:port]` of the origin: issuer of tokens. */
  readonly host: string
  /** Set when the server begins to stop: nothing new is taken in. */
  stopping: boolean
}

/** Everything long-lived, made once and handed down. Features take the parts they need. */
export interface Context extends AsyncDisposable {
  readonly config: Config
  readonly log: Log
  /** The newest lines of the log; none of a command. */
  readonly logTail: LogTail
  readonly clock: Clock
  readonly bus: Bus
  readonly db: Database
  readonly eventLog: EventLog
  readonly keyring: Keyring
  readonly settings: Settings
  readonly instance: Instance
  readonly roles: Roles
  readonly authenticator: Authenticator
  readonly passwords: Passwords
  readonly passwordGuard: PasswordGuard
  readonly profiles: Profiles
  readonly messages: MessageReader
  readonly recentPages: RecentPages
  readonly conversations: Conversations
  readonly notifications: Notifications
  readonly search: SearchIndex
  readonly metrics: Metrics
  readonly jobs: Jobs
  readonly vault: Vault
  readonly storeHealth: StoreHealth
  readonly fileLinks: FileLinks
  readonly media: Media
  readonly scanner: Scanner
  readonly tasks: Tasks
  /** The one way to other hosts. */
  readonly egress: Egress
  readonly federation: Federation
  readonly releases: Releases
  /** The media server. It runs only while somebody needs it. */
  readonly sfu: Sfu
  readonly voice: VoiceHub
  readonly clients: ClientAddresses
  readonly limiter: RateLimiter
  readonly blockedIps: BlockedIps
}

export interface ContextOptions {
  readonly config: Config
  readonly log: Log
  /** What `log` writes to as well. */
  readonly logTail?: LogTail
  readonly clock?: Clock
  /** Whether this process is a server, which alone may write the event log. A command beside it is not. */
  readonly role: 'server' | 'command'
  /** Of new password hashes. No setting lowers it; tests do. */
  readonly passwordCost?: PasswordCost
  /** Told when this process cannot go on and should be started again. */
  readonly onFatal?: (reason: Error) => void
}

/**
 * Opens the database (migrating it if need be) and everything that lives on it.
 *
 * @throws KeyError, DatabaseUnavailableError, NewerDatabaseError, AlreadyRunningError, UnfinishedMoveError
 */
export async function createContext(options: ContextOptions): Promise<Context> {
  const { config, log, logTail = new LogTail(), clock = systemClock } = options
  await using cleanup = new AsyncDisposableStack()
  const master = loadMasterKey({ dataDir: config.data_dir, fromConfig: config.master_key })

  const { engine, claim } = cleanup.use(await openDatabase(options))
  await refuseUnfinishedMove(engine)
  const applied = await (claim ? migrate(engine.schema) : migrateUnlessServed(engine))
  if (applied.length > 0) log.info({ migrations: applied }, 'the database was migrated')

  const bus = new Bus((error) => log.error({ err: error }, 'a listener of the event bus failed'))
  const eventLog = await EventLog.open(engine.schema, bus, clock, claim)
  const db = new Database(engine, eventLog, bus, clock)
  const keyring = await Keyring.open(db, master.key, clock).catch((error: unknown) => {
    if (master.created && error instanceof KeyError) throw withdrawMasterKey(config.data_dir)
    throw error
  })
  if (master.created)
    log.info('a master key was made: back up the keys folder, without it nothing can be read')
  const instance = await openInstance(config, db, clock)
  const metrics = new Metrics()
  const messages = new MessageReader({ config, keyring, log, bus })
  const stores = cleanup.use(await Stores.open(config))
  const storeHealth = new StoreHealth(stores.current, clock)
  const vault = new Vault({
    db,
    clock,
    keyring,
    stores,
    writer: `${eventLog.stream}/${newId(clock())}`,
    encrypt: config.storage.encrypt,
  })
  const search = await SearchIndex.open({ db, bus, keyring, clock, log, languages: config.search.languages })
  // First among those who listen: the others look roles up when they are told of a change.
  const roles = await Roles.open({ db, bus })
  const profiles = new Profiles({ db, bus, roles })
  const passwords = new Passwords(config.accounts, options.passwordCost)
  const authenticator = new Authenticator({ config, keyring, clock, instance, db, bus, roles })
  const settings = await Settings.open(db.read)
  const media = cleanup.use(
    new Media(config.media, (error) => log.error({ err: error }, 'a picture could not be decoded')),
  )
  const scanner = new Scanner(config.storage, (error) =>
    log.error({ err: error }, 'a file could not be scanned for viruses'),
  )
  bus.subscribe(({ event }) => {
    if (event.type === 'keys.replaced' || event.type === 'events.missed') {
      keyring.reload().catch((error: unknown) => log.error({ err: error }, 'the new keys could not be read'))
    }
    if (event.type !== 'settings.changed' && event.type !== 'events.missed') return
    settings
      .reload()
      .catch((error: unknown) => log.error({ err: error }, 'the changed settings could not be read'))
  })
  const pushInterest = cleanup.use(await PushInterest.open({ db, bus, log }))
  const jobs = new Jobs({
    db,
    bus,
    clock,
    log,
    metrics: new JobMetrics(metrics.registry, { db, clock }),
    stream: eventLog.stream,
    concurrency: config.jobs.concurrency,
  })
  const egress = cleanup.use(openEgress(config, instance))
  const federation = cleanup.use(
    await Federation.open({ config, log, clock, bus, db, keyring, instance, settings }, egress),
  )
  const sfu = new Sfu({
    settings: () => mediaSettings(config, instance.origin),
    onTrouble: (reason) => log.error({ reason }, 'the media server has trouble'),
  })
  const voice = new VoiceHub({
    authenticator,
    bus,
    clock,
    config,
    db,
    eventLog,
    log,
    profiles,
    sfu,
  })
  observeVoice(metrics.registry, { sfu, voice })
  const clients = new ClientAddresses(config.server.trusted_proxies, () =>
    log.warn(
      'requests come by a proxy that is not trusted, so all its clients look like one: set server.trusted_proxies',
    ),
  )
  const blockedIps = cleanup.use(await BlockedIps.open({ db, bus, clock, log }))
  observeBlocks(metrics.registry, blockedIps)
  const limitStore = cleanup.use(await openLimitStore(options, instance))
  const limiter = new RateLimiter({
    store: limitStore,
    rules: () => settings.limits,
    clock,
    blocklist: blockedIps,
    onWarning: (warned) => {
      noteWarning({ log, metrics }, warned)
      if (!warned.exhausted || warned.scope === 'account') return
      blockAutomatically({ db, clock, blockedIps, settings, limiter }, warned.client).catch(
        (error: unknown) => log.error({ err: error }, 'an address could not be blocked; it cools down'),
      )
    },
  })
  const resources = cleanup.move()
  return {
    config,
    log,
    logTail,
    clock,
    bus,
    db,
    eventLog,
    keyring,
    settings,
    instance,
    roles,
    authenticator,
    passwords,
    passwordGuard: new PasswordGuard({ limiter, settings, passwords }),
    profiles,
    messages,
    recentPages: new RecentPages(),
    conversations: new Conversations({ clock }),
    notifications: new Notifications({ clock, roles }, pushInterest),
    search,
    metrics,
    jobs,
    vault,
    storeHealth,
    fileLinks: new FileLinks({ keyring, clock }, config.storage.link_hours),
    media,
    scanner,
    tasks: new Tasks({ db, clock, jobs, log, config }),
    egress,
    federation,
    releases: new Releases({ config, clock, egress, log }),
    sfu,
    voice,
    clients,
    limiter,
    blockedIps,
    [Symbol.asyncDispose]: async () => {
      await voice[Symbol.asyncDispose]()
      authenticator[Symbol.dispose]()
      profiles[Symbol.dispose]()
      roles[Symbol.dispose]()
      messages[Symbol.dispose]()
      await resources.disposeAsync()
    },
  }
}

function openDatabase({ config, log, role, onFatal = () => {} }: ContextOptions): Promise<Opened> {
  const options = {
    ...databaseOptionsOf(config),
    onError: (error: Error) => log.warn({ err: error }, 'a database connection broke'),
    onFatal,
  }
  return role === 'server' ? openForServer(options) : openForCommand(options)
}

async function openInstance(config: Config, db: Database, clock: Clock): Promise<Instance> {
  if ((await readServerId(db.read)) === undefined) await db.transact((tx) => createServerId(tx, clock()))
  const serverId = (await readServerId(db.read))!
  const instance: Instance = {
    serverId,
    origin: config.server.public_origin,
    stopping: false,
    get host() {
      return new URL(instance.origin).host
    },
  }
  return instance
}

function openEgress(config: Config, instance: Instance): Egress {
  const { allow_private, ports } = config.federation
  const policy = {
    allowPrivate: allow_private,
    ports: new Set(ports),
    ownHost: () => instance.host,
  }
  return new Egress(policy, { userAgent: () => `PufferBlow/${version} (+${instance.origin})` })
}

/** Commands beside a server count nothing, and need no Redis. */
async function openLimitStore(
  { config, log, role }: ContextOptions,
  { serverId }: Instance,
): Promise<RateLimitStore> {
  const { url } = config.redis
  if (url === '' || role === 'command') return new MemoryStore()
  return RedisStore.open({ url, prefix: `pufferblow:${serverId}:limit`, log })
}

/** Of the address only a part is logged, by which an operator recognises a network but not a person. */
function noteWarning({ log, metrics }: Pick<Context, 'log' | 'metrics'>, warned: Warned): void {
  const { scope, bucket, client, userId, warnings } = warned
  metrics.rateLimitWarnings.inc({ scope, bucket })
  const network = formatNetwork(networkOf(client.address, client.address.family === 4 ? 24 : 48))
  log.warn(
    { scope, bucket, warnings, network, ...(userId !== undefined && { user_id: userId }) },
    'somebody goes on beyond a rate limit',
  )
}
