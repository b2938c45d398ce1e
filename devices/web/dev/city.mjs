// A small city in memory, for the console's own tests and for working on it
// without a server. It keeps to the contract of the REST interface; it is no
// part of the program.

import { readFileSync } from 'node:fs'
import { Access } from './access.mjs'

const seed = JSON.parse(readFileSync(new URL('seed.json', import.meta.url), 'utf8'))
const picture = readFileSync(new URL('../public/icon-512.png', import.meta.url))
const forms = ['gauge', 'amount', 'counter', 'flag']
const common = new Set(['bat', 'rssi', 'seq', 'quality'])

const ward = (w) => ({ code: w.code, name_vi: w.nameVi, name_en: w.nameEn, form: w.form, former: w.former, box: w.box })
const wards = new Map(seed.wards.map((w) => [w.code, ward(w)]))
const inLocality = new Set(seed.localities.flatMap((l) => l.wards.map((m) => m.ward)))

export const localities = {
  localities: seed.localities.map((l) => ({ id: l.id, name_vi: l.nameVi, name_en: l.nameEn, box: l.box, wards: l.wards.map((m) => wards.get(m.ward)) })),
  other_wards: [...wards.values()].filter((w) => !inLocality.has(w.code)),
  province: { west: 108.5, south: 11.3, east: 109.5, north: 12.9 },
}

export const kinds = seed.kinds
  .filter((k) => k.kind !== 'status')
  .map((k) => ({
    kind: k.kind, name_vi: k.nameVi, name_en: k.nameEn, cadence_seconds: k.cadence / 1e9,
    metrics: k.metrics.map((m) => ({ name: m.name, name_vi: m.nameVi, name_en: m.nameEn, unit: m.unit ?? '', min: m.min, max: m.max, form: forms[m.form], common: common.has(m.name) || undefined })),
  }))

const typical = {
  pm1: 9, pm25: 18.4, pm10: 34, tsp: 60, no2: 21, so2: 7, o3: 48, co: 620, temperature: 28.6, humidity: 78, pressure: 1008.2,
  wind_speed: 3.4, wind_gust: 6.1, wind_direction: 84, rain: 0.2, rain_rate: 1.2, solar_radiation: 512, uv_index: 6, illuminance: 41000,
  level: 3.42, flow: 128, vehicles: 42, motorcycles: 31, cars: 8, buses: 1, trucks: 2, bicycles: 1, speed: 34, occupancy: 18, headway: 4,
  queue_length: 22, laeq: 67.3, lamax: 81, lamin: 52, la10: 71, la50: 64, la90: 55, ph: 7.9, dissolved_oxygen: 6.4, oxygen_saturation: 92,
  conductivity: 4100, salinity: 31, turbidity: 12, orp: 210, tss: 18, nh4_n: 0.21, no3_n: 0.9, po4_p: 0.05, chlorophyll: 3.2, bod5: 3, cod: 9,
  on: 1, dimming: 80, power: 92, voltage: 229, current: 0.41, energy_total: 1284, burning_hours: 3120, fault: 0, reactive_power: 12,
  power_factor: 0.96, frequency: 50.01, fill_level: 63, weight: 41, tilt: 2, lid_open: 0, fire: 0, occupied: 118, capacity: 220, entries: 6, exits: 4,
  bat: 3.62, rssi: -87, quality: 0,
}
const taken = ['pm25', 'pm10', 'no2', 'o3', 'temperature', 'humidity', 'pressure', 'wind_speed', 'wind_gust', 'wind_direction', 'rain', 'level', 'flow',
  'vehicles', 'motorcycles', 'cars', 'speed', 'laeq', 'lamax', 'ph', 'dissolved_oxygen', 'salinity', 'turbidity', 'on', 'power', 'energy_total', 'fill_level', 'occupied', 'capacity', 'bat', 'rssi', 'quality']

const rank = ['muted', 'fresh', 'waiting', 'late', 'silent']
const iso = (ms) => new Date(ms).toISOString()

export class City {
  constructor(now = Date.now()) {
    this.start = now
    this.sites = new Map()
    this.devices = new Map()
    this.installations = []
    this.changes = []
    this.requests = new Map()
    this.heard = []
    this.astray = []
    this.quarantine = []
    this.discarded = [{ cause: 'device_count', reason: 'out_of_range', partial: false, count: 1204 }, { cause: 'person', reason: 'not_json', partial: false, count: 3 }]
    this.checks = new Map()
    this.firstCheck = new Map()
    this.extra = 0
    this.lost = { missing: 0, unsettled: 0, settlements: [] } // of nha-trang
    this.access = new Access(now)
    this.photos = []
    this.photoCount = 1
    for (const s of seed.sites) {
      this.sites.set(s.id, { id: s.id, name: s.name, name_en: s.nameEn, locality: s.locality, ward: s.ward, position: s.position,
        tags: s.tags, notes: s.notes, state: 'planned', version: 1, updated: iso(now - 86400e3 * 60), mount_height: 4 })
    }
    this.populate(now)
  }

  populate(now) {
    const order = ['air_quality', 'weather', 'water_level', 'traffic', 'noise', 'street_light', 'water_quality', 'waste', 'parking', 'energy']
    const short = { air_quality: 'aq', weather: 'wx', water_level: 'wl', traffic: 'tr', noise: 'no', street_light: 'sl', water_quality: 'wq', waste: 'wa', parking: 'pk', energy: 'en' }
    let n = 0
    for (const s of [...this.sites.values()].slice(0, 40)) {
      for (let i = 0; i < (n % 3 === 0 ? 2 : 1); i++) {
        const kind = order[(n * 3 + i) % order.length]
        const id = `${short[kind]}-${String(++n).padStart(4, '0')}`
        this.add({ id, kinds: [kind], model: 'HD-2', gateway: `lora-${s.locality}` }, s.id, now - 86400e3 * (20 + n), 'tran.minh')
        const d = this.devices.get(id)
        d.missing = n === 4 || n === 17 ? 5400 : n === 9 ? 1300 : [12, 31, 43].includes(n) ? 21600 : 40 + n
        d.presence = n === 4 || n === 17 ? 'silent' : n === 9 ? 'late' : n === 21 ? 'muted' : n === 33 ? 'waiting' : 'fresh'
        if (n === 21) d.state = 'maintenance'
      }
    }
    for (const d of [...this.devices.values()].filter((x) => x.gateway === 'lora-cam-lam').slice(0, 4)) Object.assign(d, { presence: 'silent', missing: 7260, incident: 'lora-cam-lam' })
    // The console's own icon stands for a photo of a lamp post.
    this.photos.push({ id: 1, installation: 1, device: 'aq-0001', site: this.installations[0].site, type: 'image/png', bytes: picture.length, width: 512, height: 512,
      at: iso(now - 86400e3 * 21), who: 'tran.minh', url: '/api/v1/installations/1/photos/1', data: picture })
    this.heard = [
      { device: 'aq-9001', locality: 'nha-trang', kind: 'air_quality', reason: 'unregistered', first: iso(now - 7200e3), last: iso(now - 40e3), count: 24, topic: 'kh/nha-trang/air_quality/aq-9001', gateway: 'nha-trang', sample: '{"ts":1795293000123,"pm25":12.4,"pm10":30.1,"bat":3.7}', draft: { device: { id: 'aq-9001', kinds: ['air_quality'] }, locality: 'nha-trang', from: iso(now - 7200e3) } },
      { device: 'wl-bao-dong-thuong-nguon-0007', locality: 'ninh-hoa', kind: 'water_level', reason: 'unregistered', first: iso(now - 90000e3), last: iso(now - 200e3), count: 301, topic: 'kh/ninh-hoa/water_level/wl-bao-dong-thuong-nguon-0007', gateway: 'ninh-hoa', sample: '<script>alert(1)</script>', draft: { device: { id: 'wl-bao-dong-thuong-nguon-0007', kinds: ['water_level'] }, locality: 'ninh-hoa', from: iso(now - 90000e3) } },
    ]
    this.astray = [
      { topic: 'kh/Nha-Trang/air_quality/aq-0001', reason: 'unknown_locality', fault: 'wrong_case', nearest: 'kh/nha-trang/air_quality/aq-0001', device: 'aq-0001', known: true, gateway: 'door', count: 41, first: iso(now - 7200e3), last: iso(now - 30e3), payload: '{"ts":1795293000123,"pm25":12.4}' },
      { topic: 'kh/hue/noise/n-1', reason: 'unknown_locality', fault: 'unknown_locality', nearest: 'kh/<locality>/noise/n-1', device: 'n-1', known: false, gateway: 'door', count: 2, first: iso(now - 720e3), last: iso(now - 90e3), payload: '{"laeq":61}' },
      { topic: '/kh/cam-ranh/weather/<b>wx</b>', reason: 'bad_topic', fault: 'leading_slash', nearest: 'kh/cam-ranh/weather/b-wx-b', known: false, gateway: 'door', count: 1, first: iso(now - 600e3), last: iso(now - 600e3), payload_base64: '/wAB' },
      { topic: 'zigbee2mqtt/' + 'nha-bep-tang-hai-'.repeat(7), reason: 'bad_topic', fault: 'other_root', known: false, gateway: 'door', count: 1, first: iso(now - 800e3), last: iso(now - 800e3), payload: '<script>alert(2)</script>' },
    ]
    const reasons = [['unregistered', '', 'device aq-9001 is not registered'], ['out_of_range', 'humidity', '141.2 is outside 0 to 100 %'], ['not_json', '', 'invalid character at offset 12'], ['future_time', '', 'the clock is 3 h ahead']]
    for (let i = 1; i <= 57; i++) {
      const [reason, field, detail] = reasons[i % 4]
      this.quarantine.push({ id: i, gateway: ['nha-trang', 'cam-ranh'][i % 2], topic: reason === 'unregistered' ? 'kh/nha-trang/air_quality/aq-9001' : `kh/cam-ranh/weather/wx-${1000 + i}`,
        payload: reason === 'not_json' ? '{"pm25":12.4,' : '{"ts":1795293000123,"humidity":141.2}', size: 43, received: iso(now - i * 60e3), qos: 1, redelivered: false, retained: false,
        partial: reason === 'out_of_range', ...(i % 8 === 2 ? { size: 1048576, cut: true, sha256: 'd2'.repeat(32) } : {}), problems: [{ field: field || undefined, reason, detail }], at: iso(now - i * 60e3 + 20), tries: i % 3 })
    }
  }

  note(action, entity, id, who, why, site, device) {
    this.changes.push({ seq: this.changes.length + 1, at: iso(Date.now()), entity, id, action, who, why, site, device })
    this.onchange?.({ seq: this.changes.length, entity, id, action, site, device, who, at: iso(Date.now()) })
  }

  add(input, site, from, who) {
    const old = this.devices.get(input.id)
    const d = { ...input, ...old, state: 'active', version: (old?.version ?? 0) + 1, created: iso(from), updated: iso(from), presence: 'waiting', missing: 1 }
    this.devices.set(input.id, d)
    const i = { id: this.installations.length + 1, device: input.id, site, from: iso(from), version: 1 }
    this.installations.push(i)
    this.sites.get(site).state = 'active'
    this.note('installed', 'installation', String(i.id), who, undefined, site, input.id)
    return i
  }

  open(device) { return this.installations.find((i) => i.device === device && !i.to) }
  at(site) { return this.installations.filter((i) => i.site === site && !i.to).map((i) => this.devices.get(i.device)) }

  site(s) {
    const here = this.at(s.id)
    const presence = here.map((d) => d.presence).sort((a, b) => rank.indexOf(b) - rank.indexOf(a))[0]
    return { ...s, kinds: [...new Set(here.flatMap((d) => d.kinds))].sort(), presence,
      devices: here.map((d) => ({ device: d.id, kinds: d.kinds, presence: d.presence, since: this.open(d.id).from })) }
  }

  device(d) {
    const i = this.open(d.id)
    const { missing, incident, ...rest } = d
    return { ...rest, installation: i, site_name: i && this.sites.get(i.site).name, position: i && this.sites.get(i.site).position }
  }

  value(kind, metric, at, site) {
    const base = typical[metric]
    if (['on', 'fault', 'quality', 'capacity', 'lid_open', 'fire'].includes(metric)) return base
    const h = (at / 3600e3 + 7) % 24
    const wave = Math.sin(((h - 9) / 24) * 2 * Math.PI) * 0.14 + Math.sin(at / 1.7e6 + site.length) * 0.05 + Math.sin(at / 211e3) * 0.02
    const v = base * (1 + wave)
    return Math.round(v * 100) / 100
  }

  readings(site, at = Date.now()) {
    return this.at(site).filter((d) => d.presence !== 'waiting').flatMap((d) => d.kinds.map((kind) => {
      const t = at - (d.missing ?? 30) * 1000
      const values = {}
      for (const m of kinds.find((k) => k.kind === kind).metrics) if (taken.includes(m.name)) values[m.name] = this.value(kind, m.name, t, site)
      if (d.id === 'no-0005') values.quality = 2
      return { site, device: d.id, kind, time: iso(t), values }
    }))
  }

  series(site, kind, metric, from, to) {
    const step = Math.max(60, Math.ceil((to - from) / 1000 / 400 / 60) * 60)
    const out = this.installations.filter((i) => i.site === site && this.devices.get(i.device).kinds.includes(kind)).map((i) => {
      const points = []
      for (let t = Math.max(from, Date.parse(i.from)); t <= Math.min(to, i.to ? Date.parse(i.to) : to); t += step * 1000) {
        const h = (t / 3600e3) % 97
        if (h > 40 && h < 43) continue // a gap is a gap
        const v = this.value(kind, metric, t, site)
        points.push({ t: iso(t), min: v * 0.96, mean: v, max: v * 1.05 })
      }
      return { device: i.device, points }
    })
    return { site, kind, metric, unit: kinds.find((k) => k.kind === kind)?.metrics.find((m) => m.name === metric)?.unit ?? '', from: iso(from), to: iso(to), step_seconds: step, series: out }
  }

  silence() {
    const zero = () => ({ muted: 0, fresh: 0, waiting: 0, late: 0, silent: 0 })
    const counts = zero()
    const by = {}
    const devices = []
    for (const d of this.devices.values()) {
      const i = this.open(d.id)
      if (!i) continue
      const s = this.sites.get(i.site)
      counts[d.presence]++
      ;(by[s.locality] ??= zero())[d.presence]++
      devices.push({ device: d.id, site: s.id, locality: s.locality, gateway: d.gateway, state: d.presence, cadence_seconds: kinds.find((k) => k.kind === d.kinds[0]).cadence_seconds,
        last_received: d.presence === 'waiting' ? undefined : iso(Date.now() - d.missing * 1000), missing_seconds: d.missing, incident: d.incident })
    }
    devices.sort((a, b) => rank.indexOf(b.state) - rank.indexOf(a.state) || b.missing_seconds - a.missing_seconds)
    return { at: iso(Date.now()), counts, localities: by, devices }
  }

  incidents() {
    const all = this.silence().devices.filter((d) => d.incident)
    if (!all.length) return { at: iso(Date.now()), incidents: [] }
    return { at: iso(Date.now()), incidents: [{ gateway: all[0].incident, since: iso(Date.now() - 7260e3), devices: all.map((d) => d.device), expected: 5 }] }
  }

  ledger() {
    this.extra += 37
    const account = (gateway, n, queued) => ({ gateway, position: n - queued, received: n, stored: n - queued - 812 - 57 - 3, duplicate: 812, quarantined: 57, discarded: 3, canary: 0, partial: 14, queued, missing: 0, forgotten: 0, unsettled: 0 })
    const { missing, unsettled, settlements, sides } = this.lost
    const row = (locality, stored, quarantined, canary = 0) => ({ gateway: 'door', locality, stored, duplicate: 0, quarantined, discarded: 0, canary, partial: 0 })
    const rows = [row('cam-lam', 0, 0), row('cam-ranh', 402118, 3), row('nha-trang', 1284417, 57), row('ninh-hoa', 351002, 0), row('(none)', 0, 4, 1440), row('(earlier)', 298113, 0)]
    return { time: iso(Date.now()), balanced: unsettled === 0, gateways: [{ ...account('nha-trang', 1284417 + this.extra, 12), missing, unsettled }, account('cam-ranh', 402118 + this.extra, 0), account('ninh-hoa', 351002, 3), account('cam-lam', 298113, 0)], settlements, sides, localities: rows,
      journal: { records: 4, bytes: 48210, max_bytes: 8 * 2 ** 30, oldest: iso(Date.now() - 900), positions: {} } }
  }

  // The day has a rhythm, one hour had no record, and one gateway was re-driven.
  history(q) {
    const to = Date.parse(q.to)
    const step = { '1m': 60, '5m': 300, '15m': 900, '1h': 3600, '6h': 21600, '1d': 86400 }[q.step]
    const gateways = this.ledger().gateways.filter((g) => !q.gateway || g.gateway === q.gateway).map((g, n) => {
      const points = []
      for (let t = Math.ceil(Date.parse(q.from) / step / 1e3) * step * 1e3; t <= to + step * 1e3; t += step * 1e3) {
        const hour = (t / 3600e3) % 61
        if (hour > 20 && hour < 23) continue
        const received = Math.round((step / 4) * (1 - n * 0.2) * (1 + 0.2 * Math.sin(t / 13e6)))
        const quarantined = Math.floor(t / 36e5) % 9 === 0 ? 1 : 0
        points.push({ t: iso(t), received, stored: received - quarantined, partial: 0, duplicate: 0, quarantined, discarded: 0, queued: 2, missing: 0, waiting: 57 })
      }
      return { gateway: g.gateway, points }
    })
    return { from: q.from, to: q.to, step_seconds: step, gateways }
  }
}
