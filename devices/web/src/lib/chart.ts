// From the server's series to uPlot's columns, and the periods one may choose.

import type { Series } from './api'
import { dateTime } from './format'

export const ranges = { hour: 3600, day: 86_400, week: 604_800, month: 2_592_000 } as const
export type Range = keyof typeof ranges

/** What an instrument says of a step of its own: not to be taken for good. */
export type Flag = 'calibrating' | 'error'

export interface Columns {
  times: number[]
  /** For each device: smallest, mean and largest by time; null is a gap. */
  devices: { device: string; min: (number | null)[]; mean: (number | null)[]; max: (number | null)[]; flags: (Flag | undefined)[] }[]
  /** Whether the instrument flagged any step. */
  flagged: boolean
  summary?: { min: number; max: number; last: number }
}

/** Lays the devices' points onto one axis of time. A step that a device left
 *  out becomes a gap, as long as it is longer than the device's own rhythm: a
 *  line drawn across would be an invention. */
export function columns(s: Series): Columns {
  const gaps = s.series.map((d) => gapAfter(d.points.map((p) => Date.parse(p.t) / 1000), s.step_seconds))
  const all = new Set<number>()
  s.series.forEach((d, i) => {
    let before = -Infinity
    for (const p of d.points) {
      const at = Date.parse(p.t) / 1000
      if (at - before > gaps[i] && before > -Infinity) all.add(before + s.step_seconds)
      all.add((before = at))
    }
  })
  const times = [...all].sort((a, b) => a - b)
  const index = new Map(times.map((t, i) => [t, i]))
  let min = Infinity
  let max = -Infinity
  let flagged = false
  let last: { at: number; value: number } | undefined
  const devices = s.series.map((d, i) => {
    // undefined joins (another device's moment), null breaks (a gap of its own).
    const blank = () => new Array<number | null>(times.length).fill(undefined as unknown as null)
    const column = { device: d.device, min: blank(), mean: blank(), max: blank(), flags: new Array<Flag | undefined>(times.length) }
    let before = -Infinity
    for (const p of d.points) {
      const at = Date.parse(p.t) / 1000
      if (at - before > gaps[i] && before > -Infinity) {
        const hole = index.get(before + s.step_seconds)!
        column.min[hole] = column.mean[hole] = column.max[hole] = null
      }
      const k = index.get((before = at))!
      column.min[k] = p.min
      column.mean[k] = p.mean
      column.max[k] = p.max
      column.flags[k] = p.quality
      flagged ||= !!p.quality
      min = Math.min(min, p.min)
      max = Math.max(max, p.max)
      if (!last || at > last.at) last = { at, value: p.mean }
    }
    return column
  })
  return { times, devices, flagged, summary: last && { min, max, last: last.value } }
}

/** How long may pass between two points before it is a gap: three times the
 *  usual distance, and never less than two steps. */
function gapAfter(times: number[], step: number): number {
  const between = times.slice(1).map((t, i) => t - times[i])
  between.sort((a, b) => a - b)
  const usual = between[Math.floor(between.length / 2)] ?? step
  return Math.max(usual * 3, step * 2)
}

/** What stands at a mark of the axis of time: days where a step is a day or
 *  longer, hours otherwise; midnight brings its day. Both in seconds. */
export function mark(seconds: number, step: number): string {
  const [hour, day] = dateTime(new Date(seconds * 1000)).split(' ')
  if (step >= 86_400) return day
  return hour === '00:00' ? day : hour
}
