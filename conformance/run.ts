// Holds a server against the published API and against attacks: node conformance/run.ts <suite> [URL] [options]
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const USAGE = `usage: node conformance/run.ts contract|attack [URL] [--owner NAME --password-file FILE] [-- vitest options]

Without a URL it starts the server of this checkout on an empty folder. With one, give the name and the password of
the owner of that server, unless it is empty: then the suite makes the first account. It signs up people, fills channels
and floods the server: never point it at one that people use.`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    owner: { type: 'string' },
    'password-file': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const [suite, url, ...rest] = positionals
if (
  values.help ||
  (suite !== 'contract' && suite !== 'attack') ||
  (url !== undefined && !URL.canParse(url))
) {
  console.error(USAGE)
  process.exit(values.help ? 0 : 2)
}

const root = fileURLToPath(new URL('..', import.meta.url))
const passwordFile = values['password-file']
const child = spawn(
  process.execPath,
  [
    `${root}node_modules/vitest/vitest.mjs`,
    'run',
    '--config',
    'conformance/vitest.config.ts',
    `${suite}/`,
    ...rest,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      ...(url !== undefined && { CONFORMANCE_URL: url.replace(/\/$/, '') }),
      ...(values.owner !== undefined && { CONFORMANCE_OWNER: values.owner }),
      ...(passwordFile !== undefined && { CONFORMANCE_PASSWORD: readFileSync(passwordFile, 'utf8').trim() }),
    },
  },
)
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
