/** A chat message of usual length, the same on both sides. */
export const messageText =
  'Does anybody know whether the meeting tomorrow is still at ten, or did it move to the afternoon after all?'
