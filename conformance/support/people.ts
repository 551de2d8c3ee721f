import { expect, inject } from 'vitest'
import { call, type Answer, type CallOptions } from './api.ts'

/** Somebody with an account and a session. */
export class Person {
  readonly username: string
  readonly password: string
  readonly id: string
  token: string
  refreshToken: string

  private constructor(
    username: string,
    password: string,
    session: { auth_token: string; refresh_token: string },
  ) {
    this.username = username
    this.password = password
    this.token = session.auth_token
    this.refreshToken = session.refresh_token
    const [, claims = ''] = session.auth_token.split('.')
    this.id = (JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { sub: string }).sub
  }

  /** Signs up under a name that nobody has. */
  static async signUp(name = 'person'): Promise<Person> {
    const username = `${name}-${crypto.randomUUID().slice(0, 13)}`
    const password = `pw-${crypto.randomUUID()}`
    const { status, body, text } = await call('POST', '/api/v1/users/signup', {
      json: { username, password },
    })
    expect(status, text).toBe(201)
    return new Person(username, password, body)
  }

  /** Opens another session of an account. */
  static async signIn(username: string, password: string): Promise<Person> {
    const { status, body, text } = await call('POST', '/api/v1/users/signin', {
      json: { username, password },
    })
    expect(status, text).toBe(200)
    return new Person(username, password, body)
  }

  /** The owner of the server under test. */
  static owner(): Promise<Person> {
    const { username, password } = inject('target').owner
    return Person.signIn(username, password)
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    return call(method, path, { token: this.token, ...options })
  }

  /** Creates a channel with a name that nobody has. @returns its id */
  async createChannel(
    options: { private?: boolean; type?: string; members?: readonly Person[] } = {},
  ): Promise<string> {
    const { status, body, text } = await this.call('POST', '/api/v1/channels/create/', {
      json: {
        channel_name: `channel-${crypto.randomUUID()}`,
        is_private: options.private ?? false,
        ...(options.type !== undefined && { channel_type: options.type }),
      },
    })
    expect(status, text).toBe(200)
    const id = body.channel_data.channel_id as string
    for (const member of options.members ?? []) {
      const added = await this.call('PUT', `/api/v1/channels/${id}/add_user`, {
        query: { to_add_user_id: member.id },
      })
      expect(added.status, added.text).toBe(200)
    }
    return id
  }

  /** Sends a message. @returns its id */
  async send(channelId: string, message: string): Promise<string> {
    const { status, body, text } = await this.call('POST', `/api/v1/channels/${channelId}/send_message`, {
      form: { message },
    })
    expect(status, text).toBe(201)
    return body.message_id as string
  }

  /** Texts of the newest page of a channel. */
  async load(channelId: string): Promise<string[]> {
    const { status, body, text } = await this.call('GET', `/api/v1/channels/${channelId}/load_messages`)
    expect(status, text).toBe(200)
    return body.messages.map(({ message }: { message: string }) => message)
  }
}
