export { attachedFiles } from './attached.ts'
export { removeFiles, removeFilesOfMessages, storeFiles } from './commit.ts'
export { FileLinks } from './links.ts'
export { nameAad, nameOf } from './names.ts'
export { pictureOf, pictureUpload, replacePicture } from './pictures.ts'
export {
  directories,
  judge,
  kinds,
  servedAs,
  tooLarge,
  type Directory,
  type Kind,
  type Purpose,
} from './policy.ts'
export { receiveFile } from './receive.ts'
export { receiveUpload } from './receive-upload.ts'
export { Attachment, MessageFile } from './schema.ts'
export type { StagedFile } from './staged-file.ts'
export {
  filesByContent,
  findBlob,
  findLoose,
  findStoredFile,
  findFiles,
  knownObjects,
  loosen,
  looseObjects,
  ownsContent,
  thumbnailsOf,
  type StoredFile,
} from './store.ts'
export { handleSweeps, recoverUploads, sweepObjects } from './sweep.ts'
export { Vault } from './vault.ts'
export { addressesJson, addressOf, filesJson, pictureAddress } from './wire.ts'
