import { z } from 'zod'
import type { AppearanceTable } from '#db/tables.ts'

/** How somebody looks, or the server. Clients draw what is no image. */
export const appearanceFields = {
  avatar_kind: z.enum(['identicon', 'image']),
  banner_kind: z.enum(['solid', 'image']),
  accent_color: z.string().nullable().meta({ example: '#3366cc' }),
  avatar_seed: z.string().meta({ description: 'What an identicon is drawn from.' }),
}

/** @param pictures which pictures there are: without one, what is drawn is shown */
export function appearanceToWire(
  chosen: AppearanceTable | undefined,
  subjectId: string,
  pictures: { avatar: string | null; banner: string | null },
) {
  return {
    avatar_kind: pictures.avatar === null ? ('identicon' as const) : (chosen?.avatar_kind ?? 'image'),
    banner_kind: pictures.banner === null ? ('solid' as const) : (chosen?.banner_kind ?? 'image'),
    accent_color: chosen?.accent_color ?? null,
    avatar_seed: chosen?.avatar_seed ?? subjectId,
  }
}
