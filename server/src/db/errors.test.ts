import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { conflict, notFound } from '#http/errors.ts'
import {
  asUnavailable,
  DatabaseUnavailableError,
  isConnectionLoss,
  isSerializationFailure,
  isUniqueViolation,
} from './errors.ts'

function withCode(code: string, message = 'refused'): Error {
  return Object.assign(new Error(message), { code })
}

test.each([
  ['ECONNREFUSED'],
  ['ECONNRESET'],
  ['EPIPE'],
  ['ETIMEDOUT'],
  ['ENOTFOUND'],
  ['08006'],
  ['57P01'],
  ['57P03'],
])('%s means that the connection is lost', (code) => {
  expect(isConnectionLoss(withCode(code))).toBe(true)
  expect(asUnavailable(withCode(code))).toBeInstanceOf(DatabaseUnavailableError)
})

test.each([
  ['Connection terminated'],
  ['Connection terminated unexpectedly'],
  ['Connection terminated due to connection timeout'],
  ['Client has encountered a connection error and is not queryable'],
  ['Client was closed and is not queryable'],
  ['timeout expired'],
])("the driver's '%s' means that the connection is lost", (message) => {
  expect(isConnectionLoss(new Error(message))).toBe(true)
  expect(asUnavailable(new Error(message))).toBeInstanceOf(DatabaseUnavailableError)
})

test('a pool without a free connection is unavailable, but nothing is lost', () => {
  const error = new Error('timeout exceeded when trying to connect')
  expect(isConnectionLoss(error)).toBe(false)
  expect(asUnavailable(error)).toMatchObject({ cause: error, retryAfterSeconds: 2, outcomeUnknown: false })
})

test('words of a client in an error of ours are no trouble of the database', () => {
  for (const error of [
    notFound('Channel', 'connection'),
    notFound('User', 'Connection terminated'),
    conflict("The channel name 'terminated' is already taken"),
  ]) {
    expect(isConnectionLoss(error)).toBe(false)
    expect(asUnavailable(error)).toBe(error)
  }
})

test.each([['40001'], ['40P01']])('%s may succeed when it is run again', (code) => {
  expect(isSerializationFailure(withCode(code))).toBe(true)
  expect(isConnectionLoss(withCode(code))).toBe(false)
  expect(asUnavailable(withCode(code))).toBeInstanceOf(DatabaseUnavailableError)
})

test.each([['53300'], ['57014']])('%s is unavailable', (code) => {
  expect(asUnavailable(withCode(code))).toBeInstanceOf(DatabaseUnavailableError)
})

test.each([['23505'], ['42P01'], ['22P02']])('%s is an error of ours', (code) => {
  const error = withCode(code)
  expect(asUnavailable(error)).toBe(error)
})

test('what is no error stays what it is', () => {
  for (const value of [undefined, null, 'text', 5, {}]) {
    expect(asUnavailable(value)).toBe(value)
    expect(isConnectionLoss(value)).toBe(false)
    expect(isUniqueViolation(value)).toBe(false)
  }
})

test("SQLite's violations of unique indexes and primary keys are told by column", () => {
  using db = new DatabaseSync(':memory:')
  db.exec('create table note (id text primary key, name_key text unique) strict')
  const insert = db.prepare('insert into note values (?, ?)')
  insert.run('a', 'x')
  const thrown = (id: string, name: string | null): unknown => {
    try {
      insert.run(id, name)
      return undefined
    } catch (error) {
      return error
    }
  }
  expect(isUniqueViolation(thrown('a', 'y'))).toBe(true)
  expect(isUniqueViolation(thrown('a', 'y'), 'id')).toBe(true)
  expect(isUniqueViolation(thrown('a', 'y'), 'name_key')).toBe(false)
  expect(isUniqueViolation(thrown('b', 'x'), 'name_key')).toBe(true)
  db.exec('create table child (note text references note (id)); pragma foreign_keys = on')
  const orphan = (): void => db.exec("insert into child values ('nobody')")
  expect(orphan).toThrow()
  try {
    orphan()
  } catch (error) {
    expect(isUniqueViolation(error)).toBe(false)
    expect(asUnavailable(error)).toBe(error)
  }
})

test("SQLite's trouble with the file is told from trouble with a statement", () => {
  const failure = (errcode: number): Error =>
    Object.assign(new Error('x'), { code: 'ERR_SQLITE_ERROR', errcode })
  for (const errcode of [5, 6, 8, 10, 13, 14, 261, 778, 1546]) {
    expect(asUnavailable(failure(errcode)), String(errcode)).toBeInstanceOf(DatabaseUnavailableError)
  }
  for (const errcode of [1, 19, 2067, 787, 20]) {
    expect(asUnavailable(failure(errcode)), String(errcode)).not.toBeInstanceOf(DatabaseUnavailableError)
  }
})
