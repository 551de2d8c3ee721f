// Checks the examples in deploy/ with the programs they are for, where this machine has them: npm run check:deploy
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAllDocuments } from 'yaml'

const folder = fileURLToPath(new URL('../deploy/', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'pufferblow-deploy-'))
let failed = 0

function report(name: string, problem: string | undefined): void {
  console.log(problem === undefined ? `ok       ${name}` : `FAILED   ${name}\n${problem}`)
  if (problem !== undefined) failed++
}

/** Runs a checker on an example, whose text may have to be changed to fit this machine. */
function check(
  file: string,
  command: readonly string[],
  adapt: (text: string) => string = (text) => text,
): void {
  const [program = '', ...args] = command
  if (spawnSync('which', [program]).status !== 0) {
    console.log(`SKIPPED  ${file}: ${program} is not installed`)
    return
  }
  const copy = join(scratch, file.replaceAll('/', '-'))
  writeFileSync(copy, adapt(readFileSync(folder + file, 'utf8')))
  const { status, stdout, stderr } = spawnSync(program, [...args, copy], { encoding: 'utf8' })
  report(`${file} (${program})`, status === 0 ? undefined : `${stdout}${stderr}`)
}

for (const file of ['docker/compose.yaml', 'docker/compose.cluster.yaml', 'kubernetes/pufferblow.yaml']) {
  const problems = parseAllDocuments(readFileSync(folder + file, 'utf8')).flatMap(({ errors }) => errors)
  report(file, problems.length === 0 ? undefined : problems.join('\n'))
}

const certificate = join(scratch, 'certificate.pem')
const withCertificate = (text: string): string =>
  text
    .replaceAll(/\/etc\/letsencrypt\/\S+\.pem/g, certificate)
    .replaceAll('/var/log/nginx/chat.log', join(scratch, 'log'))
spawnSync('openssl', [
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-days',
  '1',
  '-subj',
  '/CN=chat.example.org',
  '-keyout',
  certificate,
  '-out',
  `${certificate}.crt`,
])
try {
  writeFileSync(certificate, readFileSync(certificate, 'utf8') + readFileSync(`${certificate}.crt`, 'utf8'))
} catch {
  console.log('SKIPPED  a certificate for nginx: openssl is not installed')
}
// http2 is a directive of its own since nginx 1.25.1; Debian's is older.
check('proxy/nginx.conf', ['nginx', '-t', '-c'], (text) =>
  withCertificate(text).replace('        http2 on;\n', ''),
)
check('proxy/haproxy.cfg', ['haproxy', '-c', '-f'])
check('systemd/pufferblow.service', ['systemd-analyze', 'verify', '--man=no'], (text) =>
  text.replace('User=pufferblow', 'User=nobody').replace('/usr/bin/node', process.execPath),
)

rmSync(scratch, { recursive: true, force: true })
process.exitCode = failed > 0 ? 1 : 0
