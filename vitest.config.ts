import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

// Node.js keeps the sources stripped of their types, for the threads and programs that tests start.
process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(new URL('node_modules/.cache/tests', import.meta.url))

const blackBox = ['server/test/{api,gateway,security,faults}/**/*.test.ts']
const common = {
  testTimeout: 90_000,
  hookTimeout: 90_000,
  // Not one second: that may pass before a busy machine comes to it.
  expect: { poll: { timeout: 30_000, interval: 20 } },
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    // Files share a process, and with it the sources that are loaded: no file may leave anything behind.
    isolate: false,
    execArgv: ['--max-semi-space-size=64'],
    // Node.js runs the sources as they are, here as in earnest.
    experimental: { viteModuleRunner: false },
    projects: [
      {
        test: { ...common, name: 'unit', include: ['server/src/**/*.test.ts', 'server/test/*.test.ts'] },
      },
      {
        test: {
          ...common,
          name: 'sqlite',
          include: [...blackBox, 'server/test/cli/**/*.test.ts'],
          provide: { database: 'sqlite' },
          globalSetup: ['server/test/support/sqlite.ts'],
        },
      },
      {
        test: {
          ...common,
          name: 'postgres',
          include: blackBox,
          provide: { database: 'postgres' },
          globalSetup: ['server/test/support/postgres.ts'],
        },
      },
    ],
  },
})
