import { expect, it } from 'vitest'
import type { Change } from './api'
import { acts } from './changes'

let seq = 100
const change = (action: string, entity: string, id: string, more: Partial<Change> = {}): Change => ({ seq: seq--, at: '2026-11-22T02:00:00Z', who: 'lan', action, entity, id, ...more })
const said = (cs: Change[]) => acts(cs).map((a) => `${a.action} ${a.entity} ${a.device ?? a.id}${a.made.length ? ' +' + a.made.join('+') : ''}`)

it('makes one line of a registration', () => {
  const of = { request: 'r-1', site: 'ga', device: 'aq-1' }
  const all = [
    change('created', 'photo', '1', of),
    change('installed', 'site', 'ga', { ...of, device: undefined }),
    change('installed', 'device', 'aq-1', of),
    change('installed', 'installation', '7', of),
    change('created', 'site', 'ga', { ...of, device: undefined }),
    change('created', 'device', 'aq-1', { ...of, site: undefined }),
  ]
  expect(said(all)).toEqual(['installed installation aq-1 +photo+site+device'])
  // Cut by the end of a page, it waits for the rest.
  const other = change('updated', 'site', 'cang', { at: '2026-11-22T03:00:00Z' })
  expect(acts([other, ...all.slice(0, 2)], true).map((a) => a.id)).toEqual(['cang'])
})

it('keeps both halves of a swap, and what was done to another device at the same moment', () => {
  const all = [
    change('installed', 'device', 'aq-2', { site: 'ga' }),
    change('installed', 'installation', '8', { site: 'ga', device: 'aq-2' }),
    change('retired', 'device', 'aq-1', {}),
    change('removed', 'device', 'aq-1', { site: 'ga' }),
    change('removed', 'installation', '7', { site: 'ga', device: 'aq-1' }),
  ]
  expect(said(all)).toEqual(['installed installation aq-2', 'retired device aq-1', 'removed installation aq-1'])
})

it('folds nothing that others did, or that was done at another time', () => {
  const one = change('updated', 'site', 'ga')
  expect(said([one, { ...one, seq: 1, who: 'minh' }, { ...one, seq: 0, at: '2026-11-22T02:00:01Z' }])).toHaveLength(3)
  expect(said([change('retired', 'site', 'ga')])).toEqual(['retired site ga'])
})
