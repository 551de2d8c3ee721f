import { startFauxqs } from 'fauxqs'

export interface S3Server extends AsyncDisposable {
  /** Environment variables, without the prefix, of a server that keeps its files here. */
  readonly env: Readonly<Record<string, string>>
}

/** A server of the S3 protocol on a free port, with an empty bucket. */
export async function startS3(): Promise<S3Server> {
  const server = await startFauxqs({ port: 0, logger: false })
  server.createBucket('files')
  return {
    env: {
      S3_ENDPOINT: `http://127.0.0.1:${server.port}`,
      S3_BUCKET: 'files',
      S3_ACCESS_KEY: 'test',
      S3_SECRET_KEY: 'test-secret',
    },
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
