// Why a message could not be stored, in the reader's language: made of the
// reason, the field and what the message itself says, since the server's detail
// is English.

import type { Metric } from './api'
import type { MessageProblem, Quarantined } from './ingest'
import { dateTime } from './format'
import { bytes, num, t, word } from './i18n.svelte'
import type { Key } from '../messages'

const LONGEST = 60

export function explained(p: MessageProblem, m: Quarantined, metric: Metric | undefined): string {
  const [, locality = '', kind = '', device = ''] = m.topic.split('/')
  const known = p.reason === 'out_of_range' && !metric ? 'out_of_range.unknown' : p.reason
  if (word('problem', known) === known) return p.detail
  const unit = metric?.unit ? ` ${metric.unit}` : ''
  const text = t(`problem.${known}` as Key, {
    locality, kind, device, nearest: nearest(p), field: p.field ?? /under "([^"]+)"/.exec(p.detail)?.[1] ?? '…', stored: stored(p), size: bytes(m.size), min: metric ? num(metric.min) : '', max: metric ? num(metric.max) + unit : '',
  })
  const value = received(p, m)
  return value ? `${text} ${t('problem.got', { value })}` : text
}

/** The topic or locality that was most likely meant, as the server has found. */
function nearest(p: MessageProblem): string {
  const topic = /did you mean (\S+)\?/.exec(p.detail)?.[1]
  return topic ? t('problem.nearest', { topic }) : ''
}

/** The value that a conflict has lost to; only the server's detail has it. */
function stored(p: MessageProblem): string {
  const value = /where (\S+) is stored/.exec(p.detail)?.[1]
  return value === undefined ? '…' : num(Number(value))
}

/** What the message had where the problem is. */
function received(p: MessageProblem, m: Quarantined): string {
  const field = p.field ?? (/^(future_time|too_old|bad_time)$/.test(p.reason) ? 'ts' : '')
  if (!field || !m.payload) return ''
  try {
    const value = (JSON.parse(m.payload) as Record<string, unknown>)[field]
    if (value === undefined) return ''
    if (field === 'ts' && p.reason !== 'bad_time') return moment(value)
    return typeof value === 'number' ? num(value) : JSON.stringify(value).slice(0, LONGEST)
  } catch {
    return ''
  }
}

function moment(value: unknown): string {
  const at = new Date(typeof value === 'number' ? value : String(value))
  return Number.isNaN(at.getTime()) ? '' : dateTime(at)
}
