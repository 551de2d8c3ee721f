import { connect, type Socket } from 'node:net'
import Fastify from 'fastify'
import { expect, onTestFinished, test, vi } from 'vitest'
import { limitBodyTime } from './body-time.ts'

test('a body that does not come is cut after a minute, but not a form with files, nor one that came', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const cut: string[] = []
  const app = Fastify()
  app.addContentTypeParser('multipart/form-data', (_request, _payload, done) => done(null))
  limitBodyTime(app, ({ url, raw }) => {
    cut.push(url)
    raw.destroy()
  })
  const arrived: string[] = []
  app.addHook('preParsing', (request, _reply, _payload, next) => {
    arrived.push(request.url)
    next()
  })
  app.post('/files', { config: { takesFiles: true } }, (_request, reply) => void reply.hijack())
  app.post('/json', (_request, reply) => void reply.hijack())
  const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  const sockets: Socket[] = []
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    await app.close()
  })
  const send = (path: string, type: string, body: string): void => {
    const socket = connect(Number(url.port), url.hostname)
    sockets.push(socket.on('error', () => {}))
    socket.write(
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: 10\r\n\r\n${body}`,
    )
  }
  send('/json?slow', 'application/json', '{')
  send('/json?whole', 'application/json', '{"a": 123}')
  send('/files', 'multipart/form-data; boundary=b', '--b')
  await vi.waitFor(() => expect(arrived).toHaveLength(3))
  vi.advanceTimersByTime(55_000)
  expect(cut).toEqual([])
  vi.advanceTimersByTime(10_000)
  expect(cut).toEqual(['/json?slow'])
})
