import { cleanLine } from '#lib/text.ts'
import { domainOf, type PeerRule } from './peer-policy.ts'

/** A rule with the reason for it, as lists of rules carry it. */
export interface ListedRule extends PeerRule {
  readonly reason: string
}

/** What a list says: rules, and lines that say nothing we can use, with why. */
export interface RuleList {
  readonly rules: readonly ListedRule[]
  readonly unusable: readonly { readonly line: string; readonly why: string }[]
}

const MAX_REASON = 500

/** The form in which a reason is kept. */
export function reasonOf(text: string | null | undefined): string {
  return cleanLine(text ?? '').slice(0, MAX_REASON)
}

/**
 * Reads rules from CSV: ours (`domain,action,reason`) or a list of domain blocks as Mastodon exports it (`#domain`,
 * `#severity`, … `#public_comment`), of which only suspensions are blocks. Without a header, the first column has the
 * domains to block. Of several rules for a domain the last one counts.
 */
export function parseRules(csv: string): RuleList {
  const lines = parseCsv(csv)
  const header = lines[0]?.map((name) => name.trim().replace(/^#/, '').toLowerCase()) ?? []
  const hasHeader = header.includes('domain')
  const column = (name: string): number => (hasHeader ? header.indexOf(name) : -1)
  const at = {
    domain: hasHeader ? column('domain') : 0,
    action: column('action'),
    severity: column('severity'),
    reason: Math.max(column('reason'), column('public_comment')),
  }
  const rules = new Map<string, ListedRule>()
  const unusable: { line: string; why: string }[] = []
  for (const cells of hasHeader ? lines.slice(1) : lines) {
    const text = cells[at.domain]?.trim() ?? ''
    if (text === '' || text.startsWith('#')) continue
    const domain = domainOf(text)
    const action = cells[at.action]?.trim() || 'block'
    const severity = cells[at.severity]?.trim() || 'suspend'
    const refuse = (why: string): void => void unusable.push({ line: text.slice(0, 253), why })
    if (domain === undefined || text.includes('*')) refuse('not a domain')
    else if (severity !== 'suspend') refuse(`severity ${severity.slice(0, 20)} is no block`)
    else if (action !== 'block' && action !== 'allow') refuse(`unknown action ${action.slice(0, 20)}`)
    else rules.set(domain, { domain, action, reason: reasonOf(cells[at.reason]) })
  }
  return { rules: [...rules.values()], unusable }
}

/** What {@link parseRules} reads. */
export function formatRules(rules: readonly ListedRule[]): string {
  const lines = rules.map(({ domain, action, reason }) => [domain, action, quoted(reason)].join(','))
  return ['domain,action,reason', ...lines, ''].join('\n')
}

function quoted(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** RFC 4180, with either line end. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let cell = ''
  let inQuotes = false
  const endRow = (): void => {
    row.push(cell)
    if (row.length > 1 || cell !== '') rows.push(row)
    row = []
    cell = ''
  }
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!
    if (inQuotes) {
      if (character !== '"') cell += character
      else if (text[index + 1] === '"') cell += text[++index]
      else inQuotes = false
    } else if (character === '"' && cell === '') inQuotes = true
    else if (character === ',') {
      row.push(cell)
      cell = ''
    } else if (character === '\n') endRow()
    else if (character !== '\r') cell += character
  }
  endRow()
  return rows
}
