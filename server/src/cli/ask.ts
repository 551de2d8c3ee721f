import { CommandError } from './fail.ts'

/** Whether there is somebody to ask. */
export function canAsk(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY
}

/** A line, asked for until `check` has nothing to object. */
export async function askText(
  message: string,
  { initial, check }: { initial?: string; check: (text: string) => string | undefined },
): Promise<string> {
  const { text } = await import('@clack/prompts')
  return answered(
    await text({
      message,
      ...(initial !== undefined && { initialValue: initial }),
      validate: (value) => check(value ?? ''),
    }),
  )
}

/** A password, typed twice and not shown. */
export async function askNewPassword(message = 'Password'): Promise<string> {
  const { password } = await import('@clack/prompts')
  const first = answered(await password({ message }))
  answered(
    await password({
      message: `${message} again`,
      validate: (value) => (value === first ? undefined : 'That is not the same'),
    }),
  )
  return first
}

/** Clack answers with a symbol when the person gave up. */
function answered(answer: string | symbol | undefined): string {
  if (typeof answer === 'symbol') throw new CommandError('cancelled')
  return answer ?? ''
}
