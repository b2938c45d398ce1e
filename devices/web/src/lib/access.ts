// Who may do what: the types and operations of accounts, API tokens, devices'
// secrets and the journal of access. These names have capitals inside, as the
// server's part that judges access writes them.

import type { LinkInfo, Role, Session } from './api'
import { body, request } from './http'
import { query, seg, v1 } from './paths'

export interface Account {
  name: string
  display?: string
  role: Role
  /** Those that may be changed; absent: all. */
  localities?: string[]
  /** Logs in at this OpenID Connect issuer, with no password here. */
  issuer?: string
  disabled?: string
  created: string
  updated: string
  version: number
}

export interface AccountChange {
  display?: string
  role?: Role
  localities?: string[]
  disabled?: boolean
}

/** A one-time link; the console makes /welcome#link of it. */
export interface NewLink {
  link: string
  expires: string
}

export const scopes = ['read', 'register', 'operate', 'admin'] as const
export type Scope = (typeof scopes)[number]

export interface Token {
  id: string
  account: string
  name: string
  scopes: Scope[]
  created: string
  expires: string
  first?: string
  last?: string
  revoked?: string
}

export interface NewToken extends Token {
  secret: string
}

export interface Credential {
  id: number
  device: string
  issued: string
  issuedBy: string
  expires?: string
  revoked?: string
  revokedBy?: string
}

export interface NewCredential extends Credential {
  username: string
  secret: string
}

export interface AccessEvent {
  seq: number
  action: string
  /** The last of `count`; `since` is the first. */
  at: string
  since?: string
  count: number
  who?: string
  subject?: string
  reason?: string
  detail?: string
  remote?: string
}

export interface LogIn {
  account: string
  created: string
  seen: string
  expires: string
  remote?: string
  agent?: string
}

// A list that has nothing may be null.
const list = async <T>(path: string) => (await request<T[] | null>(path)) ?? []

export const getSession = () => request<Session>(`${v1}/session`)
export const logIn = (name: string, password: string) => request<Session>(`${v1}/session`, body({ name, password }))
export const logOut = () => request<void>(`${v1}/session`, { method: 'DELETE' })
export const lookLink = (link: string) => request<LinkInfo>(`${v1}/links/look`, body({ link }))
export const redeemLink = (input: { link: string; name?: string; password: string }) =>
  request<Session>(`${v1}/links/redeem`, body(input))

export const getLogIns = () => list<LogIn>(`${v1}/sessions`)
export const endLogIns = () => request<void>(`${v1}/sessions`, { method: 'DELETE' })
export const changePassword = (old: string, password: string) =>
  request<Session>(`${v1}/password`, { ...body({ old, password }), method: 'PUT' })

export const getAccounts = () => list<Account>(`${v1}/accounts`)
export const changeAccount = (a: Account, change: AccountChange) =>
  request<Account>(`${v1}/accounts/${seg(a.name)}`, { ...body({ version: a.version, ...change }), method: 'PATCH' })
export const endAccountLogIns = (name: string) => request<void>(`${v1}/accounts/${seg(name)}/sessions`, { method: 'DELETE' })
export const createLink = (input: { account?: string; role?: Role; localities?: string[] }) => request<NewLink>(`${v1}/links`, body(input))

export const getTokens = () => list<Token>(`${v1}/tokens`)
export const createToken = (input: { name: string; scopes: Scope[]; days: number }) => request<NewToken>(`${v1}/tokens`, body(input))
export const revokeToken = (id: string) => request<void>(`${v1}/tokens/${seg(id)}`, { method: 'DELETE' })

export const getCredentials = (device: string) => list<Credential>(`${v1}/devices/${seg(device)}/credentials`)
export const issueCredential = (device: string, overlapHours: number) =>
  request<NewCredential>(`${v1}/devices/${seg(device)}/credentials`, body({ overlapHours }))
export const revokeCredentials = (device: string, why: string) =>
  request<void>(query(`/devices/${seg(device)}/credentials`, { why }), { method: 'DELETE' })

export interface EventFilter {
  action?: string
  who?: string
  subject?: string
  from?: string
}
export const getEvents = (f: EventFilter & { before?: number; limit?: number }) => list<AccessEvent>(query('/access/events', { ...f }))
