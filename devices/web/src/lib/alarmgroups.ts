// In a flood one limit is crossed at forty sites at once: what the alarms of a
// rule have in common is told once, and the gravest rule comes first.

import type { Language } from './format'
import type { Alarm } from './ingest'

const severities = ['watch', 'warning', 'danger', 'extreme']

/** Sorts alarms: the gravest first, of those the newest. */
export function graver(a: Alarm, b: Alarm): number {
  return severities.indexOf(b.severity) - severities.indexOf(a.severity) || b.raised.localeCompare(a.raised) || b.id - a.id
}

/** The active alarms of one rule. */
export interface AlarmGroup {
  rule: string
  /** Those that nobody has acknowledged first, of those the one furthest beyond the limit. */
  alarms: Alarm[]
  open: Alarm[]
}

/** A rule's limit as people read it; the server writes it in Vietnamese. */
export const limit = (a: Alarm, language: Language) => (language === 'vi' ? a.threshold : a.threshold.replace(/(\d),(\d)/g, '$1.$2'))

/** A limit that is crossed from above is told by its sign, as in "< 4 mg/L". */
const beyond = (a: Alarm) => (/^[<≤]/.test(a.threshold) ? -a.value : a.value)

export function grouped(alarms: Alarm[]): AlarmGroup[] {
  const groups = new Map<string, AlarmGroup>()
  for (const a of alarms.toSorted(graver)) {
    const g = groups.get(a.rule) ?? { rule: a.rule, alarms: [], open: [] }
    groups.set(a.rule, g)
    g.alarms.push(a)
    if (!a.acknowledged) g.open.push(a)
  }
  for (const g of groups.values()) g.alarms.sort((a, b) => Number(!!a.acknowledged) - Number(!!b.acknowledged) || beyond(b) - beyond(a) || b.id - a.id)
  // Within a severity, what somebody sees to can wait.
  return [...groups.values()].sort((a, b) => {
    const [x, y] = [a.alarms[0], b.alarms[0]]
    return severities.indexOf(y.severity) - severities.indexOf(x.severity) || Number(!a.open.length) - Number(!b.open.length) || graver(x, y) || a.rule.localeCompare(b.rule)
  })
}
