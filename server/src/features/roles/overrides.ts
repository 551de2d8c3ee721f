import type { OverrideFacts } from '#events/events.ts'
import type { Overrides, Statement } from '#lib/permission.ts'
import { isRight, type Right } from '#lib/rights.ts'

/** What a channel says, in the form in which decisions look it up. */
export function compileOverrides(facts: readonly OverrideFacts[]): Overrides {
  const said = { role: new Map<string, Statement>(), member: new Map<string, Statement>() }
  for (const { subjectType, subjectId, allow, deny } of facts) {
    said[subjectType].set(
      subjectId,
      new Map<Right, boolean>([
        ...allow.filter(isRight).map((right) => [right, true] as const),
        ...deny.filter(isRight).map((right) => [right, false] as const),
      ]),
    )
  }
  return { roles: said.role, members: said.member }
}
