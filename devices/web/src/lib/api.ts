// The types that travel between the console and the server, as the server's
// OpenAPI document names them, and one function for each operation. Nothing
// else in the console knows a path, but access.ts those of accounts and secrets
// and ingest.ts those of messages and alarms.

import { body, download, lines, problemError, request, Unreachable } from './http'
import { query, seg, v1 } from './paths'

export interface Position {
  lat: number
  lon: number
  accuracy?: number
  outside_reason?: string
}

export interface Box {
  west: number
  south: number
  east: number
  north: number
}

export interface Ward {
  code: string
  name_vi: string
  name_en?: string
  form: 'phuong' | 'xa' | 'dac_khu'
  former?: string[]
  box: Box
}

export interface Locality {
  id: string
  name_vi: string
  name_en?: string
  box: Box
  wards: Ward[]
}

export interface Localities {
  localities: Locality[]
  other_wards: Ward[]
  province: Box
}

export interface Metric {
  name: string
  name_vi: string
  name_en: string
  unit: string
  min: number
  max: number
  form: 'gauge' | 'amount' | 'counter' | 'flag'
  common?: boolean
}

export interface Kind {
  kind: string
  name_vi: string
  name_en: string
  cadence_seconds: number
  metrics: Metric[]
}

export type State = 'planned' | 'active' | 'maintenance' | 'retired'
export type Presence = 'muted' | 'fresh' | 'waiting' | 'late' | 'silent'

export interface SiteInput {
  id?: string
  name?: string
  name_en?: string
  locality?: string
  ward?: string
  position?: Position
  mount_height?: number
  tags?: string[]
  notes?: string
}

export interface AtSite {
  device: string
  kinds: string[]
  presence?: Presence
  since?: string
  cadences?: { kind: string; seconds: number; learned?: boolean; usual?: boolean }[]
  units?: { metric: string; value: number; text_vi: string; text_en: string }[]
}

export interface Site extends SiteInput {
  id: string
  name: string
  locality: string
  state: State
  provisional?: boolean
  version: number
  updated: string
  kinds?: string[]
  presence?: Presence
  devices?: AtSite[]
}

export interface SitePage {
  sites: Site[]
  total?: number
  next?: string
}

export interface NearbySites {
  sites: { site: Site; distance: number }[]
  wards: Ward[]
  inside: boolean
  swapped?: Position
}

export interface Marker {
  name: string
  locality: string
  ward?: string
  state: State
  kinds?: string[]
  devices?: string[]
  presence?: Presence
  version: number
}

export interface Feature {
  type: 'Feature'
  id: string
  geometry: { type: 'Point'; coordinates: [number, number] }
  properties: Marker
}

export interface FeatureCollection {
  type: 'FeatureCollection'
  features: Feature[]
  truncated?: boolean
}

export interface DeviceInput {
  id?: string
  kinds?: string[]
  model?: string
  profile?: string
  serial?: string
  gateway?: string
  notes?: string
  simulated?: boolean
}

export interface Installation {
  id: number
  device: string
  site: string
  from: string
  to?: string
  redundant?: boolean
  cadence_seconds?: number
  provisional?: boolean
  version: number
}

export interface Device extends DeviceInput {
  id: string
  kinds: string[]
  state: State
  provisional?: boolean
  version: number
  created: string
  updated: string
  installation?: Installation
  site_name?: string
  position?: Position
  presence?: Presence
}

export interface DevicePage {
  devices: Device[]
  total?: number
  next?: string
}

/** Which devices (or sites) a list, a sheet of labels or an export has. */
export interface DeviceFilter {
  locality?: string
  ward?: string
  kind?: string
  state?: State | ''
  q?: string
}

/** A picture of an installation; its bytes are at url and never change. */
export interface Limit {
  id: number
  site: string
  device?: string
  code: string
  kind: string
  metric: string
  statistic: 'last' | 'mean' | 'sum' | 'rise'
  window_seconds?: number
  value: number
  unit?: string
  below?: boolean
  strict?: boolean
  severity: 'watch' | 'warning' | 'danger' | 'extreme'
  name_vi: string
  name_en?: string
  year?: number
  datum?: string
  basis: 'law' | 'secondary' | 'operational'
  reference?: string
  reference_en?: string
  from?: string
  until?: string
  in_force: boolean
  version: number
  updated: string
}

export interface LevelsInput {
  bd1?: number
  bd2?: number
  bd3?: number
  record?: number
  record_year?: number
  normal?: number
  flood?: number
  datum?: string
  basis?: string
  reference?: string
  from?: string
  why?: string
}

export interface Photo {
  id: number
  installation: number
  device: string
  site: string
  type: string
  bytes: number
  width: number
  height: number
  at: string
  who: string
  url: string
}

export interface Change {
  seq: number
  at: string
  entity: string
  id: string
  action: string
  who: string
  why?: string
  /** The registration that it was part of. */
  request?: string
  site?: string
  device?: string
}

export interface RegistrationInput {
  request_id: string
  device: DeviceInput
  site: SiteInput
  new_site?: boolean
  from?: string
  sent_at?: string
  redundant?: boolean
  photo?: string
  why?: string
}

export interface Registered {
  request_id: string
  device: Device
  site: Site
  installation: Installation
  clock_skew_seconds?: number
  repeated?: boolean
}

/** What stands in the way of a registration: `current` of already_registered. */
export interface Holder {
  device: Device
  installation?: Installation
  site?: Site
  who: string
  at: string
}

export type CheckState = 'never_heard' | 'wrong_secret' | 'refused' | 'quarantined' | 'late' | 'faulty' | 'receiving'

export interface Check {
  device: string
  state: CheckState
  text_vi: string
  text_en: string
  registered: boolean
  site?: string
  first?: Reading
  last?: Reading
  reason?: string
  detail?: string
  topic?: string
  sample?: string
  waiting?: number
  last_seen?: string
  missing_seconds?: number
  checked: string
}

export interface Reading {
  site: string
  device: string
  kind: string
  time: string
  values: Record<string, number>
}

export interface Latest {
  site: string
  presence?: Presence
  readings: Reading[]
}

export interface SeriesPoint {
  t: string
  min: number
  mean: number
  max: number
  /** What the instrument said of a reading of this step: no good values. */
  quality?: 'calibrating' | 'error'
}

export interface Series {
  unit: string
  from: string
  to: string
  step_seconds: number
  series: { device: string; points: SeriesPoint[] }[]
}

export interface Heard {
  device: string
  locality: string
  kind: string
  reason?: string
  provisional?: boolean
  first: string
  last: string
  count: number
  topic?: string
  gateway?: string
  sample?: string
  sample_base64?: string
  draft: { device: DeviceInput; locality: string; from: string }
}

export interface HeardPage {
  heard: Heard[]
  total: number
  next?: string
}

export interface DeviceSilence {
  device: string
  site: string
  locality: string
  gateway?: string
  state: Presence
  cadence_seconds: number
  cadences?: { kind: string; seconds: number; learned?: boolean; usual?: boolean }[]
  last_received?: string
  last_event?: string
  last_contact?: string
  online?: boolean
  faulty?: boolean
  missing_seconds: number
  incident?: string
}

export interface Incident {
  gateway: string
  since?: string
  devices: string[]
  expected: number
}

export type PresenceCounts = Record<Presence, number>

export interface SilencePage {
  at: string
  counts: PresenceCounts
  localities: Record<string, PresenceCounts>
  devices: DeviceSilence[]
  next?: string
}

export interface PresenceEvent {
  device: string
  site: string
  locality: string
  state: Presence
  at: string
}

export interface ChangeEvent {
  seq: number
  entity: string
  id: string
  action: string
  site?: string
  device?: string
}

export interface RowFault {
  column?: string
  code: string
  vi: string
  en: string
  suggestion?: string
}

export interface ImportResult {
  committed: boolean
  dry_run?: boolean
  rows: number
  imported: number
  updated?: number
  unchanged?: number
  failed: number
  format: 'csv' | 'xlsx'
  encoding?: string
  columns: { header: string; field?: string }[]
  swapped?: number
  results: { row: number; status: 'imported' | 'updated' | 'unchanged' | 'ok' | 'failed'; device?: string; site?: string; errors?: RowFault[] }[]
}

export type Role = 'viewer' | 'field' | 'operator' | 'admin'

/** Who is logged in, and how one can log in. */
export interface Session {
  signedIn: boolean
  name?: string
  role?: Role | ''
  /** Those whose devices and alarms one may act on; absent: all. */
  localities?: string[]
  /** open: nobody has an account yet, and this machine's user may do all. */
  mode: 'open' | 'guarded'
  oidc: boolean
  csrf?: string
}

/** What a one-time link is for: a new password, or a new account of a role. */
export interface LinkInfo {
  account?: string
  role?: Role
}

export const getLocalities = () => request<Localities>(`${v1}/localities`)
export const getKinds = () => request<{ kinds: Kind[] }>(`${v1}/kinds`)

export const getMarkers = () => request<FeatureCollection>(`${v1}/sites.geojson`)
export const getSites = (f: DeviceFilter & { cursor?: string; limit?: number } = {}) =>
  request<SitePage>(query('/sites', { ...f }))
export const getSite = (id: string) => request<Site>(`${v1}/sites/${seg(id)}`)
export const getNearby = (p: Position) => request<NearbySites>(query('/nearby', { lat: p.lat, lon: p.lon }))
export const getLatest = (site: string) => request<Latest>(`${v1}/sites/${seg(site)}/latest`)
export const getSeries = (site: string, f: { kind: string; metric: string; from: string; to: string }) =>
  request<Series>(query(`/sites/${seg(site)}/series`, f))
export const getInstallations = (site: string) =>
  request<{ installations: Installation[] }>(`${v1}/sites/${seg(site)}/installations`)
export const getChanges = (site: string, f: { cursor?: string; limit?: number }) =>
  request<{ changes: Change[]; next?: string }>(query(`/sites/${seg(site)}/changes`, f))

export const getAllChanges = (f: { entity?: string; id?: string; who?: string; cursor?: string; limit?: number }) =>
  request<{ changes: Change[]; next?: string }>(query('/changes', f))

export const getLimits = (site: string) => request<{ limits: Limit[] }>(`${v1}/sites/${seg(site)}/limits`)
export const setLevels = (site: string, levels: LevelsInput) =>
  request<{ limits: Limit[] }>(`${v1}/sites/${seg(site)}/levels`, { ...body(levels), method: 'PUT' })
export const createLimit = (site: string, limit: Partial<Limit> & { why?: string }) => request<Limit>(`${v1}/sites/${seg(site)}/limits`, body(limit))
export const updateLimit = (l: Limit, limit: Partial<Limit> & { why?: string }) =>
  request<Limit>(`${v1}/limits/${seg(l.id)}`, { ...body(limit, l.version), method: 'PUT' })
export const removeLimit = (l: Limit, why: string) =>
  request<void>(query(`/limits/${seg(l.id)}`, { why }), { method: 'DELETE', headers: { 'If-Match': `"${l.version}"` } })

export const getSitePhotos = (site: string) => request<{ photos: Photo[] }>(`${v1}/sites/${seg(site)}/photos`)
export const addPhoto = (installation: number, photo: Blob) =>
  request<Photo>(`${v1}/installations/${seg(installation)}/photos`, {
    method: 'POST',
    body: photo,
    headers: { 'Content-Type': 'application/octet-stream' },
    timeout: 60_000,
  })
export const removePhoto = (p: Photo, why: string) =>
  request<void>(query(`/installations/${seg(p.installation)}/photos/${seg(p.id)}`, { why }), { method: 'DELETE' })

export const getDevices = (f: DeviceFilter & { cursor?: string; limit?: number } = {}) => request<DevicePage>(query('/devices', { ...f }))
export const getDevice = (id: string) => request<Device>(`${v1}/devices/${seg(id)}`)
export const checkDevice = (id: string) => request<Check>(`${v1}/devices/${seg(id)}/check`)
export const register = (input: RegistrationInput) =>
  request<Registered>(`${v1}/registrations`, { ...body(input), timeout: 60_000 })
export const swapDevice = (d: Device, input: { new?: string; create?: DeviceInput; retire?: boolean; why?: string }) =>
  request<unknown>(`${v1}/devices/${seg(d.id)}/swap`, body(input, d.version))
export const maintainDevice = (d: Device, action: 'begin' | 'end', why: string) =>
  request<Device>(`${v1}/devices/${seg(d.id)}/maintenance`, body({ action, why }, d.version))
export const retireDevice = (d: Device, why: string) =>
  request<Device>(`${v1}/devices/${seg(d.id)}/retire`, body({ why }, d.version))

export const getHeard = (f: { q?: string; cursor?: string } = {}) => request<HeardPage>(query('/heard', f))
export const getHeardDevice = (id: string) => request<Heard>(`${v1}/heard/${seg(id)}`)
export const getSilence = (f: { state?: string; locality?: string; cursor?: string; limit?: number } = {}) =>
  request<SilencePage>(query('/silence', f))
export const getIncidents = () => request<{ at: string; incidents: Incident[] }>(`${v1}/incidents`)

/** How far an import has come; the last has the result or the problem. */
export interface ImportLine {
  done: number
  rows: number
  result?: ImportResult
  problem?: { status: number }
}

export interface ImportOptions {
  dry_run?: boolean
  partial?: boolean
  fix_swapped?: boolean
}

export async function importFile(file: File, f: ImportOptions, tell: (line: ImportLine) => void, signal: AbortSignal): Promise<ImportResult> {
  const path = query('/import', Object.fromEntries(Object.entries(f).map(([k, v]) => [k, v ? 'true' : undefined])))
  const last = await lines<ImportLine>(path, { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' }, timeout: 900_000, signal }, tell)
  if (last.problem) throw problemError(last.problem)
  if (!last.result) throw new Unreachable('the answer has no end')
  return last.result
}

export type ExportFormat = 'csv' | 'xlsx' | 'geojson'
export const exportFile = (what: 'devices' | 'sites', format: ExportFormat, f: DeviceFilter) =>
  download(query('/export', { what, format, ...f }), { timeout: 120_000 })
export const makeLabels = (input: { devices: string[]; issue_secrets?: boolean; skip?: number; why?: string }) =>
  download(`${v1}/labels`, { ...body(input), timeout: 120_000 })
