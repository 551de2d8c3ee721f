#!/usr/bin/env node
// Starts the program with the Node.js that comes as a dependency, whatever Node.js runs this file.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const node = here(`../node_modules/node/bin/${process.platform === 'win32' ? 'node.exe' : 'node'}`)
if (!existsSync(node)) {
  console.error('pufferblow: the Node.js that it runs on is missing; run: npm ci')
  process.exit(1)
}

// A smaller young generation and fewer helper threads: less memory at rest, for a few more, shorter collections.
const args = [
  '--max-semi-space-size=4',
  '--v8-pool-size=2',
  here('../server/src/main.ts'),
  ...process.argv.slice(2),
]
// Keeps the sources stripped of their types, which saves 30 MB and 0.3 s at every start but the first.
const env = { NODE_COMPILE_CACHE: here('../node_modules/.cache/pufferblow'), ...process.env }

if (process.execve && process.platform !== 'win32') {
  process.execve(node, [node, ...args], env)
} else {
  const child = spawn(node, args, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}
