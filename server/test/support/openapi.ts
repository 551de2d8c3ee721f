import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { expect } from 'vitest'

interface Document {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema: object }> }> }>
  >
  components: { schemas: Record<string, object> }
}

const validators = new Map<string, ValidateFunction>()
const patterns = new Map<string, { pattern: RegExp; path: string }[]>()

/** Fails the test when an answer is not one that the OpenAPI document describes. Unknown paths answer 404 or 405. */
export function checkAgainstDescription(
  openApi: object,
  method: string,
  path: string,
  answer: { status: number; body: unknown; text: string },
): void {
  const document = openApi as Document
  const described = describedPath(document, path)
  const operation = described && document.paths[described]?.[method.toLowerCase()]
  if (!operation) {
    expect([404, 405], `${method} ${path} is not described and should not exist`).toContain(answer.status)
    return
  }
  const name = `${method} ${described} ${answer.status}`
  const response = operation.responses[String(answer.status)]
  expect(response, `${name} is not described; it said ${answer.text.slice(0, 300)}`).toBeDefined()
  const schema = Object.values(response?.content ?? {})[0]?.schema
  if (!schema) return expect(answer.text, `${name} has no body`).toBe('')
  const validate = validatorFor(name, document, schema)
  expect(
    validate(answer.body),
    `${name}: ${JSON.stringify(validate.errors)} in ${answer.text.slice(0, 500)}`,
  ).toBe(true)
}

function describedPath(document: Document, path: string): string | undefined {
  const key = Object.keys(document.paths).join()
  let known = patterns.get(key)
  if (!known) {
    known = Object.keys(document.paths)
      // Exact paths come before those with parameters.
      .toSorted((a, b) => Number(a.includes('{')) - Number(b.includes('{')))
      .map((one) => ({
        path: one,
        pattern: new RegExp(`^${one.replace(/\/$/, '').replace(/\{\w+\}/g, '[^/]+')}/?$`),
      }))
    patterns.set(key, known)
  }
  return known.find(({ pattern }) => pattern.test(path))?.path
}

function validatorFor(name: string, document: Document, schema: object): ValidateFunction {
  const key = `${name} ${JSON.stringify(schema)}`
  let validate = validators.get(key)
  if (!validate) {
    const ajv = new Ajv2020({ strict: false, allErrors: true })
    addFormats.default(ajv)
    validate = ajv.compile({ ...schema, components: document.components })
    validators.set(key, validate)
  }
  return validate
}
