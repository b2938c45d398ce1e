// The journal keeps one entry for each thing that an act changed: a registration
// alone leaves up to five. A person did one thing; this makes one line of it.

import type { Change } from './api'

/** A change with what else the same act made. */
export interface Act extends Change {
  /** Entities that were made by the way: "site", "device", "photo". */
  made: string[]
}

// Acts that device, site and installation record alike.
const shared = new Set(['installed', 'removed', 'maintenance', 'resumed', 'retired', 'admitted'])
const rank = ['installation', 'device', 'site']
const deviceOf = (c: Change) => c.device ?? (c.entity === 'device' ? c.id : undefined)
const siteOf = (c: Change) => c.site ?? (c.entity === 'site' ? c.id : undefined)

/** Folds the changes of each act, in their order. Where more are to come, the last
 *  act may have been cut: it waits for the rest. */
export function acts(changes: Change[], more = false): Act[] {
  const all = bundles(changes)
  if (more && all.length > 1) all.pop()
  return all.flatMap(fold)
}

function bundles(changes: Change[]): Change[][] {
  const out: Change[][] = []
  let key = ''
  for (const c of changes) {
    const k = c.request ?? `${c.at} ${c.who} ${c.why ?? ''}`
    if (k === key) out[out.length - 1].push(c)
    else out.push([c])
    key = k
  }
  return out
}

function fold(some: Change[]): Act[] {
  const best = new Map<string, Change>()
  for (const c of some) {
    if (!shared.has(c.action)) continue
    const key = `${c.action} ${deviceOf(c) ?? ''}`
    const known = best.get(key)
    if (!known || rank.indexOf(c.entity) < rank.indexOf(known.entity)) best.set(key, c)
  }
  const kept: Act[] = []
  const rest: Change[] = []
  for (const c of some) {
    if (!shared.has(c.action)) rest.push(c)
    else if (best.get(`${c.action} ${deviceOf(c) ?? ''}`) === c && !alone(c, best)) kept.push({ ...c, made: [] })
  }
  const installed = kept.filter((c) => c.action === 'installed' || c.action === 'admitted')
  for (const c of rest) {
    const of = installed.find((i) => (deviceOf(c) ? deviceOf(c) === deviceOf(i) : siteOf(c) === siteOf(i)))
    if (!of) kept.push({ ...c, made: [] })
    else if (c.action === 'created') of.made.push(c.entity)
  }
  return kept.sort((a, b) => b.seq - a.seq)
}

// A site only follows its device: what it records is told by the device's entry.
const alone = (c: Change, best: Map<string, Change>) =>
  !deviceOf(c) && [...best.values()].some((o) => o !== c && o.action === c.action && deviceOf(o) && siteOf(o) === siteOf(c))
