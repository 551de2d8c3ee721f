import { createReadStream } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { notFound } from './errors.ts'

/** The files of Swagger UI that the page needs. They come with a package, of which nothing else is loaded. */
const ASSETS: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'index.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
}
const folder = new URL('./static/', import.meta.resolve('@fastify/swagger-ui'))

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>PufferBlow API</title>
<link rel="icon" type="image/png" href="/docs/static/favicon-32x32.png">
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
<link rel="stylesheet" href="/docs/static/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/start.js"></script>
</body>
</html>
`

/** A file of its own, so that the page needs no inline script. */
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, tryItOutEnabled: true })\n`

/** Scripts and styles of our own only; Swagger UI draws with inline styles and images. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** `/docs`: the API for people to read and to try, drawn by Swagger UI from `/openapi.json`. */
export function serveDocsPage(app: FastifyInstance): void {
  const config = { access: 'public', bucket: 'default' } as const
  app.get('/docs', { config }, (_request, reply) =>
    reply.type('text/html; charset=utf-8').header('content-security-policy', POLICY).send(PAGE),
  )
  app.get<{ Params: { file: string } }>('/docs/static/:file', { config }, (request, reply) => {
    const { file } = request.params
    reply.header('cache-control', 'public, max-age=3600')
    if (file === 'start.js') return reply.type('text/javascript; charset=utf-8').send(START)
    const type = Object.hasOwn(ASSETS, file) ? ASSETS[file] : undefined
    if (type === undefined) throw notFound('Page')
    return reply.type(type).send(createReadStream(fileURLToPath(new URL(file, folder))))
  })
  app.get('/redoc', { config }, (_request, reply) => reply.redirect('/docs', 307))
}
