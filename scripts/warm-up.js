// Runs after `npm ci`: starts a server once on an empty folder and stops it, so that the sources are already
// stripped and compiled when the real one starts. Nothing depends on it; a failure is no failure of the install.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = mkdtempSync(join(tmpdir(), 'pufferblow-warm-up-'))
const own = {
  PUFFERBLOW_DATA_DIR: folder,
  PUFFERBLOW_PORT: '0',
  PUFFERBLOW_HOST: '127.0.0.1',
  PUFFERBLOW_LOG_FORMAT: 'json',
  PUFFERBLOW_LOG_LEVEL: 'info',
}
const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PUFFERBLOW_'))
const program = fileURLToPath(new URL('../bin/pufferblow.js', import.meta.url))
const server = spawn(process.execPath, [program, 'serve'], {
  env: { ...Object.fromEntries(others), ...own },
  stdio: ['ignore', 'pipe', 'ignore'],
})
const timeout = setTimeout(() => server.kill('SIGKILL'), 20_000)
server.stdout.on('data', (chunk) => {
  if (String(chunk).includes('PufferBlow is ready')) server.kill('SIGTERM')
})
server.on('close', () => {
  clearTimeout(timeout)
  rmSync(folder, { recursive: true, force: true })
})
server.on('error', () => clearTimeout(timeout))
