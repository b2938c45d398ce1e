import { expect, it } from 'vitest'
import { grouped } from './alarmgroups'
import type { Alarm } from './ingest'

let id = 0
const alarm = (rule: string, severity: Alarm['severity'], value: number, more: Partial<Alarm> = {}): Alarm => ({
  id: ++id, rule, severity, value, worst: value, threshold: '≥ 5 m', summary_vi: rule, summary_en: rule, description_vi: '', description_en: '', basis: 'law', raised: `2026-11-22T04:${10 + id}:00Z`, ...more,
})

it('tells the gravest rule first, and of a severity what nobody sees to', () => {
  const seen = { acknowledged: '2026-11-22T05:00:00Z', acknowledged_by: 'minh' }
  const groups = grouped([alarm('watch', 'watch', 9), alarm('seen', 'danger', 9, seen), alarm('open', 'danger', 6), alarm('seen', 'danger', 7, seen), alarm('extreme', 'extreme', 6, seen)])
  expect(groups.map((g) => `${g.rule} ${g.open.length}/${g.alarms.length}`)).toEqual(['extreme 0/1', 'open 1/1', 'seen 0/2', 'watch 1/1'])
})

it('puts the place furthest beyond the limit first, and those that are seen to last', () => {
  const high = grouped([alarm('high', 'watch', 6), alarm('high', 'watch', 8), alarm('high', 'watch', 9, { acknowledged: '2026-11-22T05:00:00Z' })])
  expect(high[0].alarms.map((a) => a.value)).toEqual([8, 6, 9])
  const low = grouped([alarm('low', 'watch', 3, { threshold: '< 4 mg/L' }), alarm('low', 'watch', 2, { threshold: '< 4 mg/L' })])
  expect(low[0].alarms.map((a) => a.value)).toEqual([2, 3])
})
