import type { Alarm } from './api'

const order = ['watch', 'warning', 'danger', 'extreme']

/** Sorts alarms: the gravest first, of those the newest. */
export function graver(a: Alarm, b: Alarm): number {
  return order.indexOf(b.severity) - order.indexOf(a.severity) || b.raised.localeCompare(a.raised) || b.id - a.id
}
