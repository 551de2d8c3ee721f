export {
  accessChannel,
  accessChannelToWrite,
  accessChannelWith,
  listVisibleChannels,
  partitionChannels,
  whoSees,
  type AccessibleChannel,
} from './access.ts'
export { channelRoutes } from './routes.ts'
export { awaitTurn } from './slow-mode.ts'
export { ChannelParams } from './schema.ts'
export {
  deleteMember,
  insertMember,
  listChannelVisibility,
  lockChannel,
  membershipsOf,
  noteChange,
  type ChannelSeen,
} from './store.ts'
export { channelToWire, factsOf } from './wire.ts'
