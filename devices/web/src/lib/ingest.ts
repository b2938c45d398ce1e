// What became of messages, and the limits that readings cross: the types and
// operations of the server's part that takes readings in.

import { body, request } from './http'
import { query, v1 } from './paths'

export interface LedgerAccount {
  gateway: string
  received: number
  stored: number
  duplicate: number
  quarantined: number
  discarded: number
  canary: number
  queued: number
  partial: number
  missing: number
  forgotten: number
  /** What is missing beyond what somebody has acknowledged. */
  unsettled: number
}

/** A loss that somebody has acknowledged; without who, it was found again. */
export interface Settlement {
  at: string
  who?: string
  why?: string
  what: 'messages' | 'forgotten' | 'door' | 'journal' | 'values'
  gateway?: string
  lost: number
}

/** What became of the messages of one locality; (none) and (earlier) are none. */
export interface LedgerRow {
  gateway: string
  locality: string
  stored: number
  duplicate: number
  quarantined: number
  discarded: number
  canary: number
  partial: number
}

export interface Ledger {
  time: string
  balanced: boolean
  gateways: LedgerAccount[]
  localities: LedgerRow[]
  /** Accounts to which their rows do not add up. */
  differences?: { gateway: string }[]
  journal: { records: number; bytes: number; max_bytes: number; oldest?: string }
  settlements: Settlement[]
  /** Losses that nobody has acknowledged. */
  losses?: { rule: string; lost: number }[]
  /** What each side has counted by itself; null is not known. */
  sides?: LedgerSide[]
}

export interface LedgerSide {
  gateway: string
  /** Acknowledged by the door, and how many of these are not taken yet. */
  door: number | null
  waiting: number | null
  door_lost: number
  journal_lost: number
  /** A broker that is another program; absent where it is ours. */
  broker?: { name?: string; dropped: number | null; dropped_since?: string; problem?: string; restarts: number; sessions_lost: number }
}

/** A step of the ledger's history. `t` is its end; the counts are what came in
 *  it, `queued`, `missing` and `waiting` how it stood at its last sample. */
export interface LedgerPoint {
  t: string
  received: number
  stored: number
  partial: number
  duplicate: number
  quarantined: number
  discarded: number
  queued: number
  missing: number
  waiting: number
}

export interface LedgerHistory {
  from: string
  to: string
  step_seconds: number
  gateways: { gateway: string; points: LedgerPoint[] }[]
}

export interface MessageProblem {
  field?: string
  reason: string
  detail: string
}

export interface Quarantined {
  id: number
  gateway: string
  topic: string
  payload?: string
  payload_base64?: string
  size: number
  cut?: boolean
  sha256?: string
  received: string
  partial: boolean
  problems: MessageProblem[]
  at: string
  tries: number
}

/** Why a message left the quarantine without having been stored. */
export type Cause = 'person' | 'age' | 'device_budget' | 'device_count' | 'budget' | 'disk'

/** How full the quarantine is, in bytes, and what has left it for good. */
export interface QuarantineUse {
  count: number
  bytes: number
  budget: number
  age_seconds: number
  oldest?: string
  heaviest: { device: string; count: number; bytes: number }[]
  discarded: { cause: Cause; reason: string; partial: boolean; count: number }[]
}

export interface QuarantinePage {
  use: QuarantineUse
  messages: Quarantined[]
  reasons: { gateway: string; reason: string; partial: boolean; count: number }[]
  next?: number
}

/** A topic that leads nowhere, of which messages wait. */
export interface AstrayTopic {
  topic: string
  reason: 'bad_topic' | 'unknown_locality' | 'unknown_kind'
  /** Absent where nothing is wrong with it any more. */
  fault?: string
  /** What was most likely meant. */
  nearest?: string
  device?: string
  known: boolean
  gateway: string
  count: number
  first: string
  last: string
  payload?: string
  payload_base64?: string
}

export interface AstrayPage {
  topics: AstrayTopic[]
  total: number
  localities: string[]
}

export interface Redriven {
  tried: number
  stored: number
  duplicate: number
  partial: number
  waiting: number
  cut: number
  next: number
}

export interface Alarm {
  id: number
  rule: string
  severity: 'watch' | 'warning' | 'danger' | 'extreme'
  locality?: string
  site?: string
  device?: string
  value: number
  worst: number
  threshold: string
  unit?: string
  summary_vi: string
  summary_en: string
  description_vi: string
  description_en: string
  runbook_vi?: string
  runbook_en?: string
  reference?: string
  basis: 'law' | 'secondary' | 'operational'
  raised: string
  cleared?: string
  /** The newest reading's time, where its devices are overdue. */
  stale_since?: string
  /** Something that has happened: it stays until somebody acknowledges it. */
  lasting?: boolean
  acknowledged_by?: string
  acknowledged?: string
  note?: string
}

export interface AlarmPage {
  alarms: Alarm[]
  active: number
  evaluated: 'here' | 'grafana'
  next?: number
}

export const getLedger = () => request<Ledger>(`${v1}/ledger`)
export const getLedgerHistory = (f: { gateway?: string; from: string; to: string; step?: string }) =>
  request<LedgerHistory>(query('/ledger/history', f))
export const getQuarantine = (f: { reason?: string; gateway?: string; topic?: string; after?: number; limit?: number }) =>
  request<QuarantinePage>(query('/quarantine', f))
export const getAstray = (f: { q?: string; limit?: number }) => request<AstrayPage>(query('/quarantine/topics', f))
export const redrive = (f: { ids?: number[]; reason?: string; gateway?: string; topic?: string; after?: number }) =>
  request<Redriven>(`${v1}/quarantine/redrive`, { ...body(f), timeout: 60_000 })
export const discard = (ids: number[], why: string) => request<{ discarded: number }>(`${v1}/quarantine/discard`, body({ ids, why }))
export const getAlarms = (f: { state?: 'active' | 'recent' | 'all'; locality?: string; before?: number; limit?: number }) => request<AlarmPage>(query('/alarms', f))
export const acknowledgeAlarm = (id: number, note: string) => request<Alarm>(`${v1}/alarms/${id}/acknowledge`, body({ note }))
