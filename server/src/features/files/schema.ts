import { z } from 'zod'
import { kinds } from './policy.ts'

const attachment = {
  url: z.string().meta({ description: 'Relative. Good for the session it was given to, see docs/files.md.' }),
  filename: z.string(),
  type: z.string().meta({ description: 'MIME type, told by the content.' }),
  size: z.int().nullable(),
}

/** A file as some clients need it in `attachments`. */
export const Attachment = z.object(attachment).meta({ id: 'Attachment' })

/** A file of a message. */
export const MessageFile = z
  .object({
    ...attachment,
    file_id: z.string(),
    kind: z.enum(kinds),
    width: z.int().nullable().meta({ description: 'In pixels; of images.' }),
    height: z.int().nullable(),
    is_animated: z.boolean(),
    thumbnails: z
      .array(z.object({ url: z.string(), width: z.int(), height: z.int() }))
      .meta({ description: 'Smaller copies of an image, as WebP, the smallest first.' }),
  })
  .meta({ id: 'MessageFile' })
