import { expect } from 'vitest'
import { call } from './api.ts'

/** The server still answers others, and soon. */
export async function expectHealthy(): Promise<void> {
  const started = performance.now()
  const { status } = await call('GET', '/api/v1/info')
  expect(status).toBe(200)
  expect(performance.now() - started, 'the server is slow to answer').toBeLessThan(1000)
}
