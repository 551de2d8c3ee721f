import { fileURLToPath } from 'node:url'
import { Program } from './program.ts'

/** Starts one of `bench/floors/`. Each prints `{"url": …}` once it listens. */
export function startFloor(name: string, ...args: string[]): Promise<Program> {
  const file = fileURLToPath(new URL(`../floors/${name}.ts`, import.meta.url))
  return Program.start([file, ...args], (line) => (JSON.parse(line) as { url: string }).url)
}
