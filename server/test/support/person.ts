import { expect } from 'vitest'
import { request, type Answer, type Reachable, type RequestOptions } from './http.ts'
import type { Secrets } from './secrets.ts'
import { TestSocket, type SocketOptions } from './socket.ts'

/** A server that somebody can have an account on: one in this process, or a program of its own. */
export interface Home extends Reachable {
  readonly secrets: Secrets
}

/** Somebody with an account and a session, who calls the server as a client would. */
export class Person {
  readonly name: string
  readonly password: string
  readonly id: string
  readonly server: Home
  token: string
  refreshToken: string

  constructor(
    server: Home,
    fields: { name: string; password: string; id: string; token: string; refreshToken: string },
  ) {
    this.server = server
    this.name = fields.name
    this.password = fields.password
    this.id = fields.id
    this.token = fields.token
    this.refreshToken = fields.refreshToken
  }

  static async signUp(server: Home, name: string): Promise<Person> {
    const password = server.secrets.add(`secret-of-${name}-${crypto.randomUUID()}`)
    const { status, body } = await request(server, 'POST', '/api/v1/users/signup', {
      json: { username: name, password },
    })
    expect(status, JSON.stringify(body)).toBe(201)
    return Person.fromTokens(server, name, password, body)
  }

  /** A second session of the same person. */
  async signIn(): Promise<Person> {
    const { status, body } = await request(this.server, 'POST', '/api/v1/users/signin', {
      json: { username: this.name, password: this.password },
    })
    expect(status).toBe(200)
    return Person.fromTokens(this.server, this.name, this.password, body)
  }

  static fromTokens(
    server: Home,
    name: string,
    password: string,
    tokens: { auth_token: string; refresh_token: string },
  ): Person {
    const [, payload] = tokens.auth_token.split('.')
    const { sub } = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as { sub: string }
    return new Person(server, {
      name,
      password,
      id: sub,
      token: server.secrets.add(tokens.auth_token),
      refreshToken: server.secrets.add(tokens.refresh_token),
    })
  }

  get(path: string, options: RequestOptions = {}): Promise<Answer> {
    return request(this.server, 'GET', path, { token: this.token, ...options })
  }

  post(path: string, json: unknown = {}, options: RequestOptions = {}): Promise<Answer> {
    return request(this.server, 'POST', path, { token: this.token, json, ...options })
  }

  put(path: string, options: RequestOptions = {}): Promise<Answer> {
    return request(this.server, 'PUT', path, { token: this.token, ...options })
  }

  delete(path: string, options: RequestOptions = {}): Promise<Answer> {
    return request(this.server, 'DELETE', path, { token: this.token, ...options })
  }

  /** Creates a channel. @returns its id */
  async createChannel(
    name: string,
    options: { private?: boolean; type?: string; members?: Person[] } = {},
  ): Promise<string> {
    const { status, body } = await this.post('/api/v1/channels/create/', {
      channel_name: name,
      is_private: options.private ?? false,
      ...(options.type && { channel_type: options.type }),
    })
    expect(status, JSON.stringify(body)).toBe(200)
    const id: string = body.channel_data.channel_id
    for (const member of options.members ?? []) await this.addMember(id, member)
    return id
  }

  async addMember(channelId: string, person: Person): Promise<void> {
    const { status } = await this.put(`/api/v1/channels/${channelId}/add_user`, {
      query: { to_add_user_id: person.id },
    })
    expect(status).toBe(200)
  }

  async removeMember(channelId: string, person: Person): Promise<void> {
    const { status } = await this.delete(`/api/v1/channels/${channelId}/remove_user`, {
      query: { to_remove_user_id: person.id },
    })
    expect(status).toBe(200)
  }

  /** Sends a message. @returns its id */
  async send(channelId: string, message: string): Promise<string> {
    const { status, body } = await this.post(`/api/v1/channels/${channelId}/send_message`, { message })
    expect(status, JSON.stringify(body)).toBe(201)
    return body.message_id as string
  }

  /** Texts of the page that these parameters give. */
  async load(channelId: string, query: Record<string, string | number> = {}): Promise<string[]> {
    const { status, body } = await this.get(`/api/v1/channels/${channelId}/load_messages`, { query })
    expect(status, JSON.stringify(body)).toBe(200)
    return body.messages.map(({ message }: { message: string }) => message)
  }

  /** Has a background task run and waits until it is done. */
  async runTask(id: string): Promise<void> {
    const { status, body } = await this.post('/api/v1/background-tasks/run', { task_id: id })
    expect(status, JSON.stringify(body)).toBe(200)
  }

  connect(options: Omit<SocketOptions, 'token'> = {}): Promise<TestSocket> {
    return TestSocket.open(this.server, { token: this.token, ...options })
  }
}
