import { defineConfig } from 'vitest/config'

const blackBox = ['server/test/{api,gateway,security,faults}/**/*.test.ts']
const common = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    maxWorkers: 2,
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
