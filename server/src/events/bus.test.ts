import { expect, test } from 'vitest'
import { Bus, type Published } from './bus.ts'

const event: Published = { event: { type: 'user.changed', userId: 'x' } }

test('when publish returns, every listener has acted, in the order they came', () => {
  const bus = new Bus(() => {})
  const acted: string[] = []
  bus.subscribe(() => void acted.push('first'))
  bus.subscribe(() => void acted.push('second'))
  bus.publish(event)
  expect(acted).toEqual(['first', 'second'])
})

test('a listener that throws is reported and does not keep the others from hearing', () => {
  const errors: unknown[] = []
  const bus = new Bus((error) => void errors.push(error))
  const heard: Published[] = []
  bus.subscribe(() => {
    throw new Error('deaf')
  })
  bus.subscribe((published) => void heard.push(published))
  expect(() => bus.publish(event)).not.toThrow()
  expect(heard).toEqual([event])
  expect(errors).toMatchObject([{ message: 'deaf' }])
})

test('who has unsubscribed hears nothing more, also when it happens while others are told', () => {
  const bus = new Bus(() => {})
  let heard = 0
  const stop = bus.subscribe(() => {
    heard++
    stop()
  })
  bus.publish(event)
  bus.publish(event)
  expect(heard).toBe(1)
})
