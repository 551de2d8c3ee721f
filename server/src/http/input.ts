import type { z } from 'zod'
import { invalid, type FieldProblem } from './errors.ts'

/**
 * Checks `values` against `schema`. Numbers and booleans may be written as text, since queries and forms know
 * nothing else. `null` for an optional field is the same as leaving it out.
 *
 * @param place where the values came from, for the error: given a field's name
 * @throws HttpError 422 with every problem, without the offending input
 */
export function parseInput<T extends z.ZodObject>(
  schema: T,
  values: Record<string, unknown>,
  place: (field: string) => string,
): z.output<T> {
  const read = schema.safeParse(fromText(schema, values))
  if (read.success) return read.data
  throw invalid(read.error.issues.map((issue) => problemOf(issue, values, place)))
}

function fromText(schema: z.ZodObject, values: Record<string, unknown>): Record<string, unknown> {
  const converted: Record<string, unknown> = { ...values }
  for (const [name, field] of Object.entries(schema.shape)) {
    const value = values[name]
    // Clients that write `null` for what they leave out mean that.
    if (value === null && mayBeLeftOut(field)) delete converted[name]
    if (typeof value !== 'string') continue
    const kind = kindOf(field)
    if (kind === 'number' && /^[+-]?\d{1,15}$/.test(value)) converted[name] = Number(value)
    if (kind === 'boolean' && /^(true|1)$/i.test(value)) converted[name] = true
    if (kind === 'boolean' && /^(false|0)$/i.test(value)) converted[name] = false
  }
  return converted
}

function kindOf(field: z.core.$ZodType): string {
  const def = field._zod.def as { type: string; innerType?: z.core.$ZodType }
  return def.innerType ? kindOf(def.innerType) : def.type
}

/** Whether a field need not be there, and `null` means nothing else to it. */
function mayBeLeftOut(field: z.core.$ZodType): boolean {
  const { type, innerType } = field._zod.def as { type: string; innerType?: z.core.$ZodType }
  if (type === 'optional' || type === 'default' || type === 'prefault')
    return innerType === undefined || !takesNull(innerType)
  return false
}

function takesNull(field: z.core.$ZodType): boolean {
  const { type, innerType } = field._zod.def as { type: string; innerType?: z.core.$ZodType }
  return type === 'nullable' || type === 'null' || (innerType !== undefined && takesNull(innerType))
}

function problemOf(
  issue: z.core.$ZodIssue,
  values: Record<string, unknown>,
  place: (field: string) => string,
): FieldProblem {
  const path = issue.path.map((key) => (typeof key === 'number' ? key : String(key)))
  const field = String(path[0] ?? '')
  const missing = path.length === 1 && values[field] === undefined
  return {
    loc: [place(field), ...path],
    msg: missing ? 'field required' : issue.message,
    type: missing ? 'missing' : typeOf(issue),
  }
}

function typeOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `${issue.expected}_type`
    case 'too_small':
      return issue.origin === 'string' ? 'string_too_short' : 'greater_than_equal'
    case 'too_big':
      return issue.origin === 'string' ? 'string_too_long' : 'less_than_equal'
    case 'invalid_format':
      return 'string_pattern_mismatch'
    default:
      return 'value_error'
  }
}
