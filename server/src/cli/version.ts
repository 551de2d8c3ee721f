import { Command } from 'commander'
import { version } from '#lib/version.ts'
import { withExamples } from './options.ts'
import { print, printJson } from './print.ts'

export function versionCommand(): Command {
  const command = new Command('version')
    .description('print the versions of PufferBlow and of what it runs on')
    .option('--json', 'print JSON')
    .action((options: { json?: true }) => {
      const { node, sqlite } = process.versions
      const facts = { version, node, sqlite, platform: process.platform, arch: process.arch }
      if (options.json) printJson(facts)
      else print(`PufferBlow ${version} (Node.js ${node}, SQLite ${sqlite}, ${facts.platform} ${facts.arch})`)
    })
  return withExamples(command, 'pufferblow version --json')
}
