import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { access } from './access'
import { alarms } from './alarms'
import { city } from './city'
import { field } from './field'
import { files } from './files'
import { messages } from '.'
import { shell } from './shell'
import { watch } from './watch'

const entries = Object.entries(messages) as [string, readonly [string, string]][]
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort()

it('has every text in both languages', () => {
  for (const [key, pair] of entries) {
    expect(pair, key).toHaveLength(2)
    for (const text of pair) expect(text.trim(), key).not.toBe('')
  }
})

it('asks for the same things in both', () => {
  for (const [key, [vi, en]] of entries) expect(holes(vi), key).toEqual(holes(en))
})

it('is written in composed letters, so that search and fonts agree', () => {
  for (const [key, pair] of entries) for (const text of pair) expect(text.normalize('NFC'), key).toBe(text)
})

it('has no key twice', () => {
  const parts = [shell, city, field, watch, access, alarms, files].map((p) => Object.keys(p).length)
  expect(entries.length).toBe(parts.reduce((a, b) => a + b))
})

function* sources(folder: URL): Generator<string> {
  for (const e of readdirSync(folder, { withFileTypes: true })) {
    if (e.isDirectory()) yield* sources(new URL(`${e.name}/`, folder))
    else if (/\.(svelte|ts)$/.test(e.name) && !e.name.endsWith('.test.ts')) yield readFileSync(new URL(e.name, folder), 'utf8')
  }
}

// Keys made of a prefix and a word of the server (t(`state.${x}`), word('reason', x))
// count for all that begin so.
it('has no text that nothing uses', () => {
  const code = [...sources(new URL('../', import.meta.url))].filter((s) => !s.includes('as const satisfies Record')).join('\n')
  const prefixes = [...code.matchAll(/`([\w.]+\.)\$\{/g)].map((m) => m[1])
  prefixes.push(...[...code.matchAll(/word\('(\w+)'/g)].map((m) => m[1] + '.'))
  const unused = entries.map(([key]) => key).filter((key) => !code.includes(`'${key}'`) && !prefixes.some((p) => key.startsWith(p)))
  expect(unused).toEqual([])
})
