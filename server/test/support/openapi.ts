import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'vitest'

interface Document {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >
}

/** What was made of a document: once, however many answers are held against it. */
interface Known {
  readonly paths: readonly { readonly pattern: RegExp; readonly path: string }[]
  readonly ajv: Ajv2020
}

const known = new WeakMap<object, Known>()

/** Fails the test when an answer is not one that the OpenAPI document describes. Unknown paths answer 404 or 405. */
export function checkAgainstDescription(
  openApi: object,
  method: string,
  path: string,
  answer: { status: number; body: unknown; text: string },
): void {
  const document = openApi as Document
  const described = knownOf(document).paths.find(({ pattern }) => pattern.test(path))?.path
  const operation = described && document.paths[described]?.[method.toLowerCase()]
  if (!operation) {
    expect([404, 405], `${method} ${path} is not described and should not exist`).toContain(answer.status)
    return
  }
  const name = `${method} ${described} ${answer.status}`
  const response = operation.responses[String(answer.status)]
  expect(response, `${name} is not described; it said ${answer.text.slice(0, 300)}`).toBeDefined()
  const [type, content] = Object.entries(response?.content ?? {})[0] ?? []
  if (!type || !content) return expect(answer.text, `${name} has no body`).toBe('')
  const steps = ['paths', described, method.toLowerCase(), 'responses', String(answer.status)]
  const validate = validatorFor(document, [...steps, 'content', type, 'schema'], content.schema)
  expect(
    validate(answer.body),
    `${name}: ${JSON.stringify(validate.errors)} in ${answer.text.slice(0, 500)}`,
  ).toBe(true)
}

function knownOf(document: Document): Known {
  let one = known.get(document)
  if (!one) {
    const paths = Object.keys(document.paths)
      // Exact paths come before those with parameters.
      .toSorted((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
      .map((path) => ({
        path,
        pattern: new RegExp(`^${path.replace(/\/$/, '').replace(/\{\w+\}/g, '[^/]+')}/?$`),
      }))
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    addFormats.default(ajv)
    ajv.addSchema(document, 'document')
    one = { paths, ajv }
    known.set(document, one)
  }
  return one
}

/** @param steps to `schema` in the document, whose shapes it refers to */
function validatorFor(document: Document, steps: readonly string[], schema: object): ValidateFunction {
  const { ajv } = knownOf(document)
  const pointer = steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')))
  const place = `document#/${pointer.join('/')}`
  const compiled = ajv.getSchema(place)
  if (compiled) return compiled as ValidateFunction
  throw new Error(`${place} is no schema: ${JSON.stringify(schema)}`)
}
