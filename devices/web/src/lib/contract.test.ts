// Holds api.ts against the OpenAPI document that the server's tests keep, and
// access.ts against the server's own sources: every path that is asked for
// exists, and every field that is read is one that the server sends.

import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { messages } from '../messages'

interface Schema {
  properties?: Record<string, unknown>
}
const golden = JSON.parse(readFileSync(new URL('../../../api/testdata/openapi.golden.json', import.meta.url), 'utf8')) as {
  paths: Record<string, unknown>
  components: { schemas: Record<string, Schema> }
}
const source = readFileSync(new URL('api.ts', import.meta.url), 'utf8')

const { schemas } = golden.components

const askedBy = (text: string) =>
  [...text.replace(/\$\{seg\([\w.]+\)\}/g, '{id}').matchAll(/(?:\$\{v1\}|query\(['`])(\/[^'`?]*)/g)].map((m) => m[1])
const plain = (path: string) => path.replace('/api/v1', '').replace(/\{\w+\}/g, '{id}')

it('asks for paths that exist', () => {
  const asked = askedBy(source)
  expect(asked.length).toBeGreaterThan(15)
  const known = Object.keys(golden.paths).map(plain)
  for (const path of asked) expect(known).toContain(path)
})

it('reads fields that the server sends', () => {
  let compared = 0
  for (const [, name, fields] of source.matchAll(/interface (\w+)(?: extends \w+)? \{\n([\s\S]*?)\n\}/g)) {
    const schema = schemas[name]
    if (!schema?.properties) continue
    for (const [, field] of fields.matchAll(/^ {2}(\w+)\??:/gm)) {
      expect(Object.keys(schema.properties), `${name}.${field}`).toContain(field)
      compared++
    }
  }
  expect(compared).toBeGreaterThan(80)
})

const folder = new URL('../../../access/', import.meta.url)
const go = readdirSync(folder)
  .filter((f) => f.endsWith('.go') && !f.endsWith('_test.go'))
  .map((f) => readFileSync(new URL(f, folder), 'utf8'))
  .join('\n')
const access = readFileSync(new URL('access.ts', import.meta.url), 'utf8')

it('asks for operations of access that exist', () => {
  const known = [...go.matchAll(/operation\("[\w-]+", http\.Method\w+, "([^"]+)"/g)].map((m) => plain(m[1]))
  const asked = askedBy(access)
  expect(asked.length).toBeGreaterThan(12)
  for (const path of asked) expect(known).toContain(path)
})

it('reads fields of access that the server sends', () => {
  const types: Record<string, string> = { Account: 'Account', Token: 'Token', Credential: 'Credential', AccessEvent: 'Event', LogIn: 'Session', NewLink: 'LinkAnswer' }
  for (const [here, there] of Object.entries(types)) {
    const fields = new RegExp(`interface ${here} \\{\\n([\\s\\S]*?)\\n\\}`).exec(access)![1]
    const struct = new RegExp(`type ${there} struct \\{\\n([\\s\\S]*?)\\n\\}`).exec(go)![1]
    const sent = [...struct.matchAll(/json:"(\w+)/g)].map((m) => m[1])
    for (const [, field] of fields.matchAll(/^ {2}(\w+)\??:/gm)) expect(sent, `${here}.${field}`).toContain(field)
  }
})

it('knows every action of the journal of access', () => {
  const actions = [...go.matchAll(/^\t\w+ +Action = "(\w+)"/gm)].map((m) => m[1])
  expect(actions.length).toBeGreaterThan(18)
  for (const a of actions) expect(Object.keys(messages)).toContain(`event.${a}`)
})
