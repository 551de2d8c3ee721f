import type { z } from 'zod'
import type { Api } from './endpoint.ts'

/** Choices of a person about themselves: read and changed under one path, and shown alike both times. */
export interface Preference<I extends z.ZodObject, A extends z.ZodType> {
  readonly path: string
  readonly tag: string
  readonly read: string
  readonly change: { readonly summary: string; readonly description: string }
  readonly input: I
  readonly placement?: 'body' | 'query or body'
  /** With `status_code` 200. */
  readonly answer: A
}

type Shown<A extends z.ZodType> = Omit<z.input<A>, 'status_code'>

/** Adds the two endpoints of a preference. */
export function preference<I extends z.ZodObject, A extends z.ZodType>(
  api: Api,
  { path, tag, read, change, input, placement = 'body', answer }: Preference<I, A>,
  handle: {
    readonly show: (userId: string) => Promise<Shown<A>>
    readonly choose: (userId: string, choice: z.output<I>) => Promise<void>
  },
): void {
  const common = { path, tag, access: 'user', bucket: 'default', answers: { 200: answer } } as const
  api.endpoint({ ...common, method: 'GET', summary: read }, ({ actor }) => handle.show(actor.userId) as never)
  api.endpoint(
    { ...common, method: 'PUT', ...change, input, placement },
    async ({ actor, input: choice }) => {
      await handle.choose(actor.userId, choice)
      return (await handle.show(actor.userId)) as never
    },
  )
}
