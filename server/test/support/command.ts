import { vi } from 'vitest'
import { run } from '#cli/run.ts'
import type { Place } from './server.ts'

export interface CommandEnd {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command in this process, on the data of a server of the test. */
export async function runCommand(place: Place, ...args: string[]): Promise<CommandEnd> {
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk) => {
      written[name] += String(chunk)
      return true
    }),
  )
  for (const [name, value] of Object.entries({ PUFFERBLOW_DATA_DIR: place.dataDir, ...place.env })) {
    vi.stubEnv(name, value)
  }
  process.exitCode = undefined
  try {
    await run(['node', 'pufferblow', ...args])
    return { code: Number(process.exitCode ?? 0), ...written }
  } finally {
    for (const spy of spies) spy.mockRestore()
    vi.unstubAllEnvs()
    process.exitCode = undefined
  }
}
