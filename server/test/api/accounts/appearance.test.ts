import { expect, test } from 'vitest'
import { request } from '#test/http.ts'
import type { Person } from '#test/person.ts'
import { startServer } from '#test/server.ts'

const OWN = '/api/v1/users/profile/appearance'
const SERVER = '/api/v1/system/server-appearance'

async function look(person: Person): Promise<Record<string, unknown>> {
  const { body } = await person.post('/api/v1/users/profile')
  const { avatar_kind, banner_kind, accent_color, avatar_seed } = body.user_data
  return { avatar_kind, banner_kind, accent_color, avatar_seed }
}

test('somebody chooses a colour and another identicon, and what is not sent stays', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const plain = { avatar_kind: 'identicon', banner_kind: 'solid', accent_color: null, avatar_seed: ann.id }
  expect(await look(ann)).toEqual(plain)
  expect((await ann.put(OWN, { json: { accent_color: '#3366CC' } })).body).toEqual({
    status_code: 200,
    message: 'Appearance updated successfully',
    avatar_kind: null,
    banner_kind: null,
    accent_color: '#3366cc',
    avatar_seed: null,
  })
  const { body } = await ann.put(OWN, { json: { shuffle_avatar_seed: true, banner_kind: 'solid' } })
  expect(body.avatar_seed).toMatch(/^[0-9a-f]{16}$/)
  expect((await ann.put(OWN, { json: {} })).status).toBe(200)
  expect(await look(ann)).toEqual({ ...plain, accent_color: '#3366cc', avatar_seed: body.avatar_seed })
  // Without a picture there is none to show.
  await ann.put(OWN, { json: { avatar_kind: 'image' } })
  expect(await look(ann)).toMatchObject({ avatar_kind: 'identicon' })
})

test('values that there are not are refused and change nothing', async () => {
  await using server = await startServer()
  const ann = await server.person('ann')
  const before = await look(ann)
  for (const wrong of [
    { avatar_kind: 'solid' },
    { banner_kind: 'identicon' },
    { accent_color: 'red' },
    { accent_color: '#12345' },
    { accent_color: '#12345g', shuffle_avatar_seed: true },
  ]) {
    expect(await ann.put(OWN, { json: wrong }), JSON.stringify(wrong)).toMatchObject({ status: 400 })
  }
  expect(await look(ann)).toEqual(before)
})

test('the server looks as those with the right decide, for everybody', async () => {
  await using server = await startServer()
  const [owner, ann] = (await server.people('owner', 'ann')) as [Person, Person]
  const read = async () => (await request(server, 'GET', SERVER)).body
  expect(await read()).toMatchObject({ avatar_kind: 'identicon', accent_color: null })
  const change = { json: { accent_color: '#ff0000', banner_kind: 'image' } }
  expect((await ann.put(SERVER, change)).status).toBe(403)
  expect((await owner.put(SERVER, change)).status).toBe(200)
  expect(await read()).toMatchObject({ banner_kind: 'image', accent_color: '#ff0000' })
  expect((await owner.put(SERVER, { json: { accent_color: 'red' } })).status).toBe(400)
  const { body } = await owner.get('/api/v1/system/audit-log')
  expect(body.entries[0]).toMatchObject({
    action: 'server.appearance_changed',
    details: { accent_color: '#ff0000', banner_kind: 'image' },
  })
})
