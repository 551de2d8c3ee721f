import type { Right } from '#lib/rights.ts'

/** Who is asking: the owner of a valid access token, as of this moment. */
export interface Actor {
  readonly userId: string
  readonly sessionId: string
  readonly username: string
  readonly roles: readonly string[]
  readonly rights: ReadonlySet<Right>
}

/** Who may call an endpoint: anybody, anybody signed in, or who holds a right. */
export type Access = 'public' | 'user' | Right

/** Which rate limit an endpoint counts against. */
export type Bucket = 'auth' | 'uploads' | 'messages' | 'default'

/** Finds whose token this is. @throws HttpError 401, 403 */
export type Authenticate = (token: string) => Promise<Actor>
