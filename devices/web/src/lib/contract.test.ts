// Holds api.ts against the OpenAPI document that the server's tests keep: every
// path that is asked for exists, and every field that is read is one that the
// server sends.

import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

interface Schema {
  properties?: Record<string, unknown>
}
const golden = JSON.parse(readFileSync(new URL('../../../api/testdata/openapi.golden.json', import.meta.url), 'utf8')) as {
  paths: Record<string, unknown>
  components: { schemas: Record<string, Schema> }
}
const source = readFileSync(new URL('api.ts', import.meta.url), 'utf8')

// Ledger, quarantine and access have documents of their own.
const elsewhere = /^\/(ledger|quarantine|session|links)/

it('asks for paths that exist', () => {
  const plain = source.replace(/\$\{seg\([\w.]+\)\}/g, '{id}')
  const asked = [...plain.matchAll(/(?:\$\{v1\}|query\(['`])(\/[^'`?]*)/g)].map((m) => m[1])
  expect(asked.length).toBeGreaterThan(15)
  const known = Object.keys(golden.paths).map((p) => p.replace('/api/v1', '').replace(/\{\w+\}/g, '{id}'))
  for (const path of asked) if (!elsewhere.test(path)) expect(known).toContain(path)
})

it('reads fields that the server sends', () => {
  let compared = 0
  for (const [, name, fields] of source.matchAll(/interface (\w+)(?: extends \w+)? \{\n([\s\S]*?)\n\}/g)) {
    const schema = golden.components.schemas[name]
    if (!schema?.properties) continue
    for (const [, field] of fields.matchAll(/^ {2}(\w+)\??:/gm)) {
      expect(Object.keys(schema.properties), `${name}.${field}`).toContain(field)
      compared++
    }
  }
  expect(compared).toBeGreaterThan(80)
})
