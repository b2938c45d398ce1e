// Serves the built console with a small city behind it, for the browser tests
// and for working on pages: `npm run dev:api`. Log in as admin / admin, operator /
// operator, field / field or viewer / viewer.

import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { City, kinds, localities } from './city.mjs'
import { limit, siteLimits } from './limits.mjs'
import { addPhoto, exported, filtered, labels, photo, photosOf, Raw } from './files.mjs'
import { Refusal, refuse } from './refusal.mjs'

const dist = fileURLToPath(new URL('../dist/', import.meta.url))
const types = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.woff2': 'font/woff2', '.webmanifest': 'application/manifest+json' }
// The same policy as the program's (console.go).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

export function serve({ port = 0, loggedIn = '', city = new City() } = {}) {
  const state = { city, user: loggedIn, down: false, dateShift: 0, streams: new Set() }
  city.onchange = (e) => emit(state, 'change', e)
  const server = createServer((req, res) => handle(state, req, res))
  const ticker = setInterval(() => tick(state), 1000)
  return new Promise((done) => server.listen(port, '127.0.0.1', () => done({
    url: `http://127.0.0.1:${server.address().port}`, city, state,
    close: () => { clearInterval(ticker); for (const s of state.streams) s.end(); server.closeAllConnections(); return new Promise((r) => server.close(r)) },
  })))
}

function emit(state, event, data) { for (const s of state.streams) s.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`) }

function tick({ city, streams }) {
  if (!streams.size) return
  const sites = [...city.sites.keys()]
  for (let i = 0; i < 3; i++) for (const r of city.readings(sites[Math.floor(Math.random() * sites.length)])) {
    if (city.devices.get(r.device).presence === 'fresh') emit({ streams }, 'reading', { ...r, time: new Date().toISOString() })
  }
}

async function handle(state, req, res) {
  const url = new URL(req.url, 'http://x')
  if (state.dateShift) res.setHeader('Date', new Date(Date.now() + state.dateShift * 1000).toUTCString())
  if (state.down) return req.socket.destroy()
  if (url.pathname === '/console.json') return json(res, 200, {})
  if (!url.pathname.startsWith('/api/')) return file(url.pathname, res)
  try {
    const chunks = []
    for await (const chunk of req) chunks.push(chunk)
    await api(state, req, url, Buffer.concat(chunks), res)
  } catch (e) {
    if (!(e instanceof Refusal)) { console.error(e); return json(res, 500, { status: 500, code: 'internal', detail: String(e) }) }
    json(res, e.status, { status: e.status, code: e.code, detail: e.errors?.[0]?.en, detail_vi: e.errors?.[0]?.vi, errors: e.errors }, 'application/problem+json')
  }
}

function file(path, res) {
  let name = join(dist, normalize(path))
  if (!name.startsWith(dist) || !existsSync(name) || statSync(name).isDirectory()) {
    if (extname(path)) { res.writeHead(404); return res.end() }
    name = join(dist, 'index.html')
  }
  res.writeHead(200, { 'Content-Type': types[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': policy, 'Cache-Control': 'no-cache' })
  createReadStream(name).pipe(res)
}

function json(res, status, value, type = 'application/json') {
  res.writeHead(status, { 'Content-Type': type })
  res.end(value === undefined ? '' : JSON.stringify(value))
}

const roles = ['viewer', 'field', 'operator', 'admin']
const session = (user) => (user ? { signedIn: true, name: user, role: user, mode: 'guarded', oidc: false, csrf: 'token-of-' + user } : { signedIn: false, mode: 'guarded', oidc: false })

async function api(state, req, url, raw, res) {
  const text = raw.toString()
  const path = url.pathname.replace('/api/v1', '')
  const route = `${req.method} ${path}`
  const { city } = state
  if (route === 'POST /session') {
    const { name, password } = JSON.parse(text)
    if (name !== password || !roles.includes(name)) throw new Refusal(401, 'unauthorized', [])
    state.user = name
    return json(res, 200, session(name))
  }
  if (route === 'GET /session') return json(res, 200, { ...session(state.user), oidc: !!state.oidc })
  if (!state.user) throw new Refusal(401, 'unauthorized', [])
  if (route === 'DELETE /session' || route === 'DELETE /sessions') { state.user = ''; return json(res, 204) }
  if (req.method !== 'GET') {
    if (req.headers['x-csrf-token'] !== session(state.user).csrf) throw new Refusal(403, 'forbidden', [{ code: 'csrf_token_missing', vi: 'Yêu cầu thiếu mã chống giả mạo.', en: 'The request lacks its CSRF token.' }])
    if (session(state.user).role === 'viewer') throw new Refusal(403, 'forbidden', [])
  }
  if (path === '/live') return stream(state, res)
  const q = Object.fromEntries(url.searchParams)
  const [, root, id, act] = path.split('/').map(decodeURIComponent)
  if (route === 'PUT /password') {
    if (JSON.parse(text).old !== state.user) throw new Refusal(401, 'unauthorized', [{ code: 'wrong_name_or_password', vi: 'Tên hoặc mật khẩu không đúng.', en: 'The name or the password is wrong.' }])
    return json(res, 200, session(state.user))
  }
  const own = ['accounts', 'links', 'access', 'sessions', 'tokens'].includes(root) || act === 'credentials'
  const out = own
    ? city.access.answer(state.user, session(state.user).role, req.method, root, id, act, q, text ? JSON.parse(text) : {})
    : answer(city, req, state.user, route, root, id, act, q, text, raw)
  if (out === null) return json(res, 204)
  if (out instanceof Raw) {
    res.writeHead(200, { 'Content-Type': out.type, ...(out.name && { 'Content-Disposition': `attachment; filename="${out.name}"` }) })
    return res.end(out.body)
  }
  if (out === undefined) throw new Refusal(404, 'not_found', [{ code: 'not_found', vi: 'Không tìm thấy.', en: 'Not found.' }])
  json(res, 200, out)
}

function stream(state, res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  res.write('event: ready\ndata: {}\n\n')
  state.streams.add(res)
  res.on('close', () => state.streams.delete(res))
}

function answer(city, req, user, route, root, id, act, q, text, raw) {
  switch (root) {
    case 'localities': return localities
    case 'kinds': return { kinds }
    case 'sites.geojson': return { type: 'FeatureCollection', features: [...city.sites.values()].map((s) => city.site(s)).map((s) => ({ type: 'Feature', id: s.id, geometry: { type: 'Point', coordinates: [s.position.lon, s.position.lat] },
      properties: { name: s.name, locality: s.locality, ward: s.ward, state: s.state, kinds: s.kinds, devices: s.devices.map((d) => d.device), presence: s.presence, version: s.version } })) }
    case 'nearby': return { sites: [], wards: [], inside: true }
    case 'silence': { const s = city.silence(); return { ...s, devices: s.devices.filter((d) => !q.state || q.state.split(',').includes(d.state)).slice(0, Number(q.limit ?? 50)) } }
    case 'alarms': return alarms(city, user, id, act, q, text)
    case 'incidents': return city.incidents()
    case 'ledger': return id === 'history' ? city.history(q) : city.ledger()
    case 'changes': return changes(city, q)
    case 'export': return exported(city, q)
    case 'labels': return labels(city, user, JSON.parse(text))
    case 'installations': return installation(city, req, user, id, act, route.split('/')[4], q, raw)
    case 'heard': if (id) return city.heard.find((h) => h.device === id)
      return { heard: city.heard, total: city.heard.length }
    case 'quarantine': return route.endsWith('/topics') ? { topics: city.astray.filter((a) => a.topic.includes(q.q ?? '')), total: city.astray.length, localities: localities.localities.map((l) => l.id) } : route.endsWith('/discard') ? discard(city, JSON.parse(text)) : route.endsWith('/redrive') ? redrive(city, JSON.parse(text)) : quarantine(city, q)
    case 'registrations': return register(city, user, JSON.parse(text))
    case 'import': return importRows(city, text, q)
    case 'sites': if (['limits', 'levels'].includes(act)) return siteLimits(city, req.method, user, id, act, text)
      return site(city, id, act, q)
    case 'limits': return limit(city, req, user, Number(id), q, text)
    case 'devices': return device(city, req, user, id, act, id ? text : JSON.stringify(q))
  }
}

function changes(city, q) {
  const all = city.changes.filter((c) => (!q.entity || c.entity === q.entity) && (!q.id || c.id === q.id) && (!q.who || c.who === q.who) && (!q.cursor || c.seq < Number(q.cursor))).reverse()
  const limit = Number(q.limit ?? 50)
  return { changes: all.slice(0, limit), next: all.length > limit ? String(all[limit - 1].seq) : undefined }
}

function installation(city, req, user, id, act, which, q, raw) {
  if (act !== 'photos') return undefined
  if (which) return photo(city, user, req.method, which, q)
  return req.method === 'POST' ? addPhoto(city, user, id, raw) : photosOf(city, (p) => p.installation === Number(id))
}

function site(city, id, act, q) {
  if (!id) { const all = [...city.sites.values()].map((s) => city.site(s)); return { sites: all, total: all.length } }
  const s = city.sites.get(id)
  if (!s) return undefined
  if (act === 'photos') { const p = photosOf(city, (x) => x.site === id); return { photos: p.photos.reverse() } }
  if (act === 'latest') return { site: id, presence: city.site(s).presence, readings: city.readings(id) }
  if (act === 'installations') return { installations: city.installations.filter((i) => i.site === id) }
  if (act === 'changes') return { changes: city.changes.filter((c) => c.site === id).reverse() }
  if (act === 'series') return city.series(id, q.kind, q.metric, Date.parse(q.from), Date.parse(q.to))
  return city.site(s)
}

function device(city, req, user, id, act, text) {
  if (!id) { const all = filtered(city, JSON.parse(text)); return { devices: all, total: all.length } }
  const d = city.devices.get(id)
  if (act === 'check') return check(city, id, d)
  if (!d) return undefined
  if (!act) return city.device(d)
  const match = req.headers['if-match']
  if (!match) refuse(428, 'precondition_required', 'If-Match', 'version_required', 'Thiếu số phiên bản của mục đang sửa.', 'The version of what is being changed is missing.')
  if (match !== `"${d.version}"`) refuse(412, 'stale', 'If-Match', 'changed_meanwhile', 'Có người vừa sửa mục này.', 'Somebody changed this meanwhile.')
  const input = JSON.parse(text)
  const here = city.open(id)
  d.version++
  if (act === 'maintenance') {
    Object.assign(d, input.action === 'begin' ? { state: 'maintenance', presence: 'muted' } : { state: 'active', presence: 'fresh' })
    city.note(input.action === 'begin' ? 'maintenance' : 'resumed', 'device', id, user, input.why, here?.site, id)
    return city.device(d)
  }
  if (act === 'retire' || act === 'swap') {
    const next = input.new ?? input.create?.id
    if (act === 'swap' && city.open(next)) refuse(409, 'conflict', 'new', 'stands_elsewhere', `Thiết bị ${next} đang đặt tại ${city.open(next).site}.`, `Device ${next} stands at ${city.open(next).site}.`)
    if (here) here.to = new Date().toISOString()
    d.state = act === 'retire' || input.retire ? 'retired' : 'maintenance'
    city.note(act === 'retire' ? 'retired' : 'removed', 'device', id, user, input.why, here?.site, id)
    if (act === 'swap') city.add({ kinds: d.kinds, ...input.create, id: next }, here.site, Date.now(), user)
    return city.device(d)
  }
}

// A device registered here is received some seconds after its first check, as
// one would be that is switched on meanwhile.
function check(city, id, d) {
  const now = Date.now()
  const first = city.firstCheck.get(id) ?? city.firstCheck.set(id, now).get(id)
  const forced = city.checks.get(id)
  const base = { device: id, registered: !!d, site: city.open(id)?.site, checked: new Date(now).toISOString() }
  if (forced) return { ...base, ...forced }
  if (now - first < 3500) return { ...base, state: 'never_heard', text_vi: 'Chưa nghe thấy thiết bị.', text_en: 'Nothing was heard of it.' }
  if (d) Object.assign(d, { presence: 'fresh', missing: 2 })
  const reading = d && city.readings(base.site).find((r) => r.device === id)
  return { ...base, state: 'receiving', text_vi: 'Đã nhận dữ liệu.', text_en: 'Data received.', first: reading, last: reading }
}

function register(city, user, r) {
  const { sent_at: _sent, ...content } = r
  const digest = JSON.stringify(content)
  const done = city.requests.get(r.request_id)
  if (done) {
    if (done.digest !== digest) refuse(409, 'conflict', 'request_id', 'request_reused', 'Mã yêu cầu đã dùng cho một nội dung khác.', 'The request id was used for something else.')
    return { ...done.answer, repeated: true }
  }
  const there = city.open(r.device.id)
  if (there) {
    const s = city.sites.get(there.site)
    const who = city.changes.find((c) => c.entity === 'installation' && c.id === String(there.id))?.who
    refuse(409, 'conflict', 'device.id', 'already_registered', `Thiết bị ${r.device.id} đã được ${who} đăng ký tại ${s.id}. Không có gì bị ghi đè.`, `Device ${r.device.id} was registered by ${who} at ${s.id}. Nothing was overwritten.`,
      { current: { device: city.device(city.devices.get(r.device.id)), installation: there, site: s, who, at: there.from } })
  }
  if (r.new_site) {
    if (city.sites.has(r.site.id)) refuse(409, 'conflict', 'site.id', 'duplicate_id', `Mã "${r.site.id}" đã được dùng.`, `The id "${r.site.id}" is already taken.`)
    city.sites.set(r.site.id, { ...r.site, state: 'planned', version: 1, updated: new Date().toISOString() })
  }
  const taken = !r.redundant && city.at(r.site.id).find((d) => d.kinds.some((k) => r.device.kinds.includes(k)))
  if (taken) refuse(409, 'conflict', '', 'kind_taken', `Điểm ${r.site.id} đã có thiết bị ${taken.id}. Hãy thay thiết bị đó, hoặc khai báo là thiết bị dự phòng.`, `Site ${r.site.id} already has device ${taken.id}. Swap it, or declare this one redundant.`)
  const skew = (Date.parse(r.sent_at) - Date.now()) / 1000
  const installation = city.add(r.device, r.site.id, (Date.parse(r.from) || Date.now()) - (Math.abs(skew) > 60 ? skew * 1000 : 0), user)
  const out = { request_id: r.request_id, device: city.device(city.devices.get(r.device.id)), site: city.site(city.sites.get(r.site.id)), installation, clock_skew_seconds: Math.abs(skew) > 60 ? skew : undefined }
  city.requests.set(r.request_id, { digest, answer: out })
  return out
}

// Alarms of a flood, one of them gone.
function alarms(city, user, id, act, q, text) {
  const at = (minutes) => new Date(city.start - minutes * 60_000).toISOString()
  city.alarms ??= [['flood-bd2-dong-trang', 'warning', 'Báo động II tại Đồng Trăng', 'Flood alarm II at Dong Trang', 9.72, '≥ 9,5 m', 12], ['flood-bd1-dong-trang', 'watch', 'Báo động I tại Đồng Trăng', 'Flood alarm I at Dong Trang', 9.72, '≥ 8 m', 95],
    ['rain-80mm-3h', 'danger', 'Mưa trên 80 mm trong 3 giờ', 'Over 80 mm of rain in 3 h', 81, '≥ 80 mm', 300]].map(([rule, severity, vi, en, value, threshold, since], i) => ({ id: 3 - i, rule, severity, kind: 'water_level', metric: 'level',
    locality: 'nha-trang', site: [...city.sites.keys()][0], value, worst: value, threshold, unit: rule.startsWith('rain') ? 'mm' : 'm', summary_vi: vi, summary_en: en, description_vi: vi, description_en: en,
    runbook_vi: 'Đối chiếu với trạm thượng nguồn và bản tin lũ.', runbook_en: 'Compare with the station upstream and the flood bulletin.', basis: i === 2 ? 'secondary' : 'law', since: at(since), raised: at(since),
    ...(i === 2 && { cleared: at(120) }) }))
  if (act === 'acknowledge') {
    const alarm = city.alarms.find((a) => a.id === Number(id))
    return alarm && Object.assign(alarm, { acknowledged: new Date().toISOString(), acknowledged_by: user, note: JSON.parse(text).note })
  }
  const active = city.alarms.filter((a) => !a.cleared)
  return { alarms: q.state === 'recent' ? city.alarms.filter((a) => a.cleared) : active, active: active.length, evaluated: 'here' }
}

function quarantine(city, q) {
  const all = city.quarantine.filter((m) => (!q.reason || m.problems[0].reason === q.reason) && (!q.gateway || m.gateway === q.gateway) && m.id > Number(q.after ?? 0))
  const limit = Number(q.limit ?? 100)
  const counts = new Map()
  for (const m of city.quarantine) {
    const key = `${m.gateway} ${m.problems[0].reason} ${m.partial}`
    const c = counts.get(key) ?? counts.set(key, { gateway: m.gateway, reason: m.problems[0].reason, partial: m.partial, count: 0 }).get(key)
    c.count++
  }
  const use = { count: city.quarantine.length, bytes: 734003200 * Math.min(1, city.quarantine.length), budget: 2 ** 30, age_seconds: 90 * 86400, oldest: city.quarantine[0]?.at,
    heaviest: city.quarantine.length ? [{ device: 'aq-9001', count: 41200, bytes: 52428800 }, { device: '', count: 310, bytes: 1048576 }] : [],
    discarded: city.discarded }
  return { use, messages: all.slice(0, limit), reasons: [...counts.values()], next: all.length > limit ? all[limit - 1].id : undefined }
}

function discard(city, f) {
  const before = city.quarantine.length
  city.quarantine = city.quarantine.filter((m) => !f.ids.includes(m.id))
  return { discarded: before - city.quarantine.length, partial: 0, bytes: 512, next: 0 }
}

function redrive(city, f) {
  const hit = city.quarantine.filter((m) => (!f.ids || f.ids.includes(m.id)) && (!f.reason || m.problems[0].reason === f.reason) && (!f.gateway || m.gateway === f.gateway) && m.id > (f.after ?? 0)).slice(0, 10)
  const stored = hit.filter((m) => m.problems[0].reason === 'unregistered')
  city.quarantine = city.quarantine.filter((m) => !stored.includes(m))
  return { tried: hit.length, stored: stored.length, duplicate: 0, partial: 0, waiting: hit.length - stored.length, cut: 0, next: hit.length === 10 ? hit[9].id : 0 }
}

// A few of the names by which the server knows a column, and what a row of a
// device at a new site must have.
const columnNames = { 'mã thiết bị': 'device_id', 'loại đo': 'kinds', 'điểm đo': 'site_name', 'tên điểm đo': 'site_name', 'địa phương': 'locality', 'mã phường': 'ward', 'phường, xã': 'ward', 'vĩ độ': 'lat', 'kinh độ': 'lon' }
const needed = ['kinds', 'locality', 'ward', 'lat']

function importRows(city, text, q) {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/).filter(Boolean)
  const columns = lines[0].split(';').map((header) => ({ header, field: columnNames[header.trim().toLowerCase()] }))
  if (!columns.some((c) => c.field)) refuse(422, 'invalid', 'file', 'no_header', 'Không nhận ra cột nào; dòng đầu phải là tên cột.', 'No column is recognised; the first line must name the columns.')
  const header = (field) => columns.find((c) => c.field === field)?.header ?? field
  const results = lines.slice(1).map((line, i) => {
    const cells = line.split(';')
    const get = (field) => cells[columns.findIndex((c) => c.field === field)] ?? ''
    const [id, lat, lon] = [get('device_id'), Number(get('lat').replace(',', '.')), Number(get('lon').replace(',', '.'))]
    const errors = []
    const fault = (field, code, vi, en, suggestion) => errors.push({ column: header(field), code, vi, en, suggestion })
    if (!/^[\w.:-]+$/.test(id)) fault('device_id', 'bad_id', 'Mã chỉ gồm chữ a–z, A–Z, số và - _ . : (tối đa 64 ký tự).', 'The id cannot be used.')
    for (const f of needed) if (!get(f)) fault(f, 'required', 'Cần điền mục này.', 'This is needed.')
    if (lat > 90 && q.fix_swapped !== 'true') fault('lat', 'swapped_coordinates', `Vĩ độ và kinh độ có vẻ bị đảo: có phải là ${lon}, ${lat}?`, `Latitude and longitude seem to be swapped: is it ${lon}, ${lat}?`, `${lon}, ${lat}`)
    return { row: i + 2, status: errors.length ? 'failed' : 'ok', device: id, site: get('site_name'), errors: errors.length ? errors : undefined }
  })
  const failed = results.filter((r) => r.status === 'failed')
  const commit = q.dry_run !== 'true' && (!failed.length || q.partial === 'true')
  const result = { committed: commit, dry_run: q.dry_run === 'true' || undefined, rows: results.length, imported: commit ? results.length - failed.length : 0, failed: failed.length, format: 'csv', encoding: 'utf-8', columns,
    swapped: results.filter((r) => r.errors?.some((e) => e.code === 'swapped_coordinates')).length || undefined, results: failed }
  const rows = results.length
  return new Raw('application/x-ndjson', [{ done: 0, rows }, { done: rows, rows }, { done: rows, rows, result }].map((line) => JSON.stringify(line) + '\n').join(''))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const s = await serve({ port: Number(process.env.PORT ?? 8080), loggedIn: process.env.LOGGED_IN ?? '' })
  console.log(s.url)
}
