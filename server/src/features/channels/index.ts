export { accessChannel, accessChannelToWrite } from './access.ts'
export { maySeeChannel } from './policy.ts'
export { channelRoutes } from './routes.ts'
export { ChannelParams } from './schema.ts'
export {
  listChannelVisibility,
  listVisibleChannels,
  membershipsOf,
  noteChange,
  type ChannelSeen,
} from './store.ts'
export { channelToWire, factsOf } from './wire.ts'
