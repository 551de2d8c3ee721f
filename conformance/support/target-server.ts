import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    target: Target
  }
}

/** The server that is held against the contract, and its owner. */
export interface Target {
  readonly url: string
  readonly owner: { readonly username: string; readonly password: string }
}

const program = fileURLToPath(new URL('../../bin/pufferblow.js', import.meta.url))

/** Names the server that was asked for, or starts the one of this checkout on an empty folder. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['CONFORMANCE_URL']
  const owner = {
    username: process.env['CONFORMANCE_OWNER'] ?? `owner-${crypto.randomUUID().slice(0, 8)}`,
    password: process.env['CONFORMANCE_PASSWORD'] ?? crypto.randomUUID(),
  }
  const started = given === undefined ? await startHere() : undefined
  const url = given ?? started!.url
  if (process.env['CONFORMANCE_OWNER'] === undefined) await becomeOwner(url, owner)
  project.provide('target', { url, owner })
  return async () => started?.stop()
}

async function becomeOwner(url: string, owner: Target['owner']): Promise<void> {
  const answer = await fetch(`${url}/api/v1/users/signup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(owner),
  })
  if (answer.status !== 201) throw new Error(`signing up answered ${answer.status}: ${await answer.text()}`)
  const { auth_token: token } = (await answer.json()) as { auth_token: string }
  const profile = await fetch(`${url}/api/v1/users/profile`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth_token: token }),
  })
  const { user_data: user } = (await profile.json()) as { user_data: { roles_ids: string[] } }
  if (!user.roles_ids.includes('owner'))
    throw new Error('this server has an owner already: give --owner and --password-file')
}

async function startHere(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), 'pufferblow-conformance-'))
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('PUFFERBLOW_'))
  const child = spawn(process.execPath, [program, 'serve'], {
    env: {
      ...Object.fromEntries(others),
      PUFFERBLOW_DATA_DIR: folder,
      PUFFERBLOW_HOST: '127.0.0.1',
      PUFFERBLOW_PORT: '0',
      PUFFERBLOW_LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
      if (msg !== 'PufferBlow is ready' || url === undefined) continue
      child.stdout.resume()
      return { url, stop }
    }
    throw new Error('the server ended before it was ready')
  } finally {
    clearTimeout(timer)
  }
}
