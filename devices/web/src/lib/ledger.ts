// The ledger's history, laid out for a chart.

import type { LedgerHistory, LedgerPoint } from './ingest'

/** For each period its length and its step, both in seconds: fine enough to see
 *  an hour, coarse enough for a phone. */
export const periods = {
  hour: { length: 3600, step: '1m' },
  day: { length: 86_400, step: '5m' },
  week: { length: 604_800, step: '1h' },
  month: { length: 2_592_000, step: '6h' },
  year: { length: 31_536_000, step: '1d' },
} as const
export type Period = keyof typeof periods

export const sums = ['received', 'stored', 'duplicate', 'quarantined', 'discarded'] as const

export interface Course {
  /** Ends of steps, in seconds. */
  times: number[]
  /** Received in each step; null where there is no record. */
  received: (number | null)[]
  /** What came in the whole period. */
  total: Record<(typeof sums)[number], number>
  /** The newest count in quarantine, of all gateways. */
  waiting: number
  /** Where most was missing, or counted twice. */
  worst?: { at: string; missing: number }
  empty: boolean
}

/** Adds the gateways up on one axis. A step of which no gateway has a sample is
 *  a gap, not a nought. */
export function course(h: LedgerHistory, gateway: string): Course {
  const chosen = h.gateways.filter((g) => !gateway || g.gateway === gateway)
  const at = new Map<number, number>()
  const total = { received: 0, stored: 0, duplicate: 0, quarantined: 0, discarded: 0 }
  let worst: Course['worst']
  let waiting = 0
  for (const g of chosen) {
    for (const p of g.points) {
      const t = Date.parse(p.t) / 1000
      at.set(t, (at.get(t) ?? 0) + p.received)
      for (const s of sums) total[s] += p[s]
      worst = worse(worst, p)
    }
    waiting += g.points.at(-1)?.waiting ?? 0
  }
  const ends = [...at.keys()].sort((a, b) => a - b)
  const times: number[] = []
  const received: (number | null)[] = []
  for (const [i, t] of ends.entries()) {
    if (i && t - ends[i - 1] > h.step_seconds * 1.5) {
      times.push(ends[i - 1] + h.step_seconds)
      received.push(null)
    }
    times.push(t)
    received.push(at.get(t)!)
  }
  return { times, received, total, waiting, worst, empty: !ends.length }
}

function worse(worst: Course['worst'], p: LedgerPoint): Course['worst'] {
  if (p.missing === 0 || (worst && Math.abs(worst.missing) >= Math.abs(p.missing))) return worst
  return { at: p.t, missing: p.missing }
}
