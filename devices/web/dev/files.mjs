// Files and photos of the city in memory: exports, sheets of labels, pictures.

import { refuse } from './refusal.mjs'

/** Bytes that are answered as they are. */
export class Raw {
  constructor(type, body, name) { Object.assign(this, { type, body, name }) }
}

const norm = (s) => s.normalize('NFD').replace(/\p{M}/gu, '').replace(/đ/g, 'd').replace(/Đ/g, 'D').toLowerCase()

/** Devices with where they stand, filtered as the server does. */
export function filtered(city, q) {
  return [...city.devices.values()].map((d) => city.device(d)).filter((d) => {
    const s = d.installation && city.sites.get(d.installation.site)
    return (!q.locality || s?.locality === q.locality) && (!q.ward || s?.ward === q.ward) && (!q.kind || d.kinds.includes(q.kind)) && (!q.state || d.state === q.state) &&
      (!q.q || norm(q.q).split(/\s+/).every((w) => norm(`${d.id} ${s?.name ?? ''}`).includes(w)))
  })
}

export function exported(city, q) {
  const name = `haidang-${q.what}-2026-11-22.${q.format}`
  if (q.format === 'geojson') return new Raw('application/geo+json', JSON.stringify({ type: 'FeatureCollection', features: [] }), name)
  const rows = q.what === 'sites' ? [...city.sites.keys()] : filtered(city, q).map((d) => `${d.id};${d.installation?.site ?? ''}`)
  return new Raw(q.format === 'csv' ? 'text/csv' : 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', '\uFEFF' + rows.join('\r\n'), name)
}

export function labels(city, user, input) {
  for (const id of input.devices) {
    if (!city.devices.has(id)) refuse(404, 'not_found', '', 'not_found', `Không có thiết bị ${id}.`, `There is no device ${id}.`)
    if (input.issue_secrets) city.access.credential(user, 'POST', id, {}, {})
  }
  city.printed = input
  return new Raw('application/pdf', '%PDF-1.3\n%%EOF\n', 'haidang-labels.pdf')
}

export function addPhoto(city, user, id, bytes) {
  const i = city.installations.find((x) => x.id === Number(id))
  if (!i) return undefined
  if (bytes.length < 50) refuse(422, 'invalid', 'photo', 'bad_photo', 'Không đọc được ảnh này.', 'This picture cannot be read.')
  const n = ++city.photoCount
  const p = { id: n, installation: i.id, device: i.device, site: i.site, type: bytes[0] === 0xff ? 'image/jpeg' : 'image/png', bytes: bytes.length, width: 640, height: 480,
    at: new Date().toISOString(), who: user, url: `/api/v1/installations/${i.id}/photos/${n}` }
  city.photos.push({ ...p, data: bytes })
  city.note('created', 'photo', String(n), user, undefined, i.site, i.device)
  return p
}

export const photosOf = (city, which) => ({ photos: city.photos.filter(which).map(({ data: _data, ...p }) => p) })

export function photo(city, user, method, id, q) {
  const p = city.photos.find((x) => x.id === Number(id))
  if (!p) return undefined
  if (method !== 'DELETE') return new Raw(p.type, p.data)
  city.photos = city.photos.filter((x) => x !== p)
  city.note('deleted', 'photo', id, user, q.why, p.site, p.device)
  return null
}
