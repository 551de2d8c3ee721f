import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { describeApi } from '#app'
import { loadConfig } from '#config/load.ts'
import { createContext } from '#context'
import { createLog } from '#log/log.ts'
import { withExamples } from './options.ts'
import { printJson } from './print.ts'

export function openApiCommand(): Command {
  const command = new Command('openapi')
    .summary('print the OpenAPI document of the API')
    .description('print the OpenAPI document of the API, as a server without any configuration has it')
    .action(async () => printJson(await describe()))
  return withExamples(command, 'pufferblow openapi > openapi.json')
}

/** Nothing of this machine shows in the document: neither its configuration nor its data folder is looked at. */
async function describe(): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-openapi-'))
  try {
    const { config } = loadConfig({ env: {}, dataDir: folder })
    const log = createLog({ level: 'silent', format: 'json' })
    await using ctx = await createContext({ config, log, role: 'command' })
    return await describeApi(ctx)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
