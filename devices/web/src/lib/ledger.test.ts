import { expect, it } from 'vitest'
import type { LedgerHistory, LedgerPoint } from './ingest'
import { course } from './ledger'

const point = (t: string, received: number, more: Partial<LedgerPoint> = {}): LedgerPoint => ({
  t: `2026-11-22T${t}:00Z`, received, stored: received, partial: 0, duplicate: 0, quarantined: 0, discarded: 0, queued: 0, missing: 0, waiting: 0, ...more,
})
const history = (...gateways: LedgerPoint[][]): LedgerHistory => ({
  from: '2026-11-22T00:00:00Z', to: '2026-11-22T01:00:00Z', step_seconds: 300, gateways: gateways.map((points, i) => ({ gateway: `g${i}`, points })),
})

it('adds the gateways up, and the period', () => {
  const c = course(history([point('00:05', 10), point('00:10', 20, { waiting: 4 })], [point('00:10', 5, { quarantined: -3, waiting: 2 })]), '')
  expect(c.received).toEqual([10, 25])
  expect(c.total).toEqual({ received: 35, stored: 35, duplicate: 0, quarantined: -3, discarded: 0 })
  expect(c.waiting).toBe(6)
  expect(c.worst).toBeUndefined()
})

it('shows one gateway alone', () => {
  expect(course(history([point('00:05', 10)], [point('00:05', 7)]), 'g1').received).toEqual([7])
})

it('breaks where there is no record, and shows a nought where nothing came', () => {
  const c = course(history([point('00:05', 10), point('00:10', 0), point('00:30', 8)]), '')
  expect(c.received).toEqual([10, 0, null, 8])
  expect(c.times[2] - c.times[1]).toBe(300)
})

it('finds the worst imbalance, counted twice as well as missing', () => {
  expect(course(history([point('00:05', 1, { missing: 2 }), point('00:10', 1, { missing: -3 }), point('00:15', 1, { missing: 1 })]), '').worst).toEqual({ at: '2026-11-22T00:10:00Z', missing: -3 })
})

it('says that there is nothing', () => {
  expect(course(history([]), '').empty).toBe(true)
  expect(course(history(), '').empty).toBe(true)
})
