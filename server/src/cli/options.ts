import type { Command } from 'commander'

/** The data folder as given before or after the command's name. */
export function dataDirOf(command: Command): string | undefined {
  return command.optsWithGlobals<{ dataDir?: string }>().dataDir
}

/** Adds examples to the end of a command's help. */
export function withExamples(command: Command, ...examples: readonly string[]): Command {
  const title = examples.length === 1 ? 'Example:' : 'Examples:'
  return command.addHelpText('after', ['', title, ...examples.map((line) => `  $ ${line}`)].join('\n'))
}
