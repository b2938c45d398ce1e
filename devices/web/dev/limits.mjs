// Limits of sites in the city in memory. Only what the console shows is checked.

import { refuse } from './refusal.mjs'

const levels = { bd1: ['Báo động I', 'Flood alarm I', 'watch'], bd2: ['Báo động II', 'Flood alarm II', 'warning'], bd3: ['Báo động III', 'Flood alarm III', 'danger'],
  record: ['Vượt lũ lịch sử', 'Above the record', 'extreme'], normal: ['Vượt mực nước dâng bình thường', 'Above the normal level', 'watch'], flood: ['Mực nước lũ của hồ', 'Flood level of the reservoir', 'danger'] }
const order = Object.keys(levels)

const now = () => new Date().toISOString()
const inForce = (l, at = now()) => (!l.from || l.from <= at) && (!l.until || at < l.until)

function all(city) {
  if (!city.limits) {
    city.limits = []
    const known = { basis: 'law', reference: 'Quyết định 05/2020/QĐ-TTg theo VNDMS; phụ lục chưa đối chiếu', reference_en: 'Decision 05/2020/QĐ-TTg as VNDMS has it; its annex not checked', datum: 'của trạm' }
    for (const [code, value] of [['bd1', 8], ['bd2', 9.5], ['bd3', 11], ['record', 13.42]]) level(city, 'dong-trang', code, value, { ...known, year: code === 'record' ? 2009 : undefined })
    city.limits.push({ ...city.limits[2], id: 5, value: 10.8, until: '2020-05-01T00:00:00Z', basis: 'secondary', reference: 'Bản tin trước năm 2020', reference_en: 'bulletins before 2020' })
  }
  return city.limits
}

function level(city, site, code, value, more) {
  const [vi, en, severity] = levels[code]
  const named = { name_vi: more.year ? `${vi} ${more.year}` : vi, name_en: more.year ? `${en} of ${more.year}` : en }
  city.limits.push({ id: city.limits.length + 1, site, code, kind: 'water_level', metric: 'level', statistic: 'last', value, unit: 'm', strict: code === 'record' || undefined,
    severity, basis: 'operational', version: 1, updated: now(), rule: `flood-${code}-${site}`, ...named, ...more })
}

const shown = (l) => ({ ...l, unit: l.metric === 'level' ? 'm' : '', in_force: inForce(l) })
const listed = (city, site) => ({ limits: all(city).filter((l) => l.site === site).sort((a, b) => order.indexOf(a.code) - order.indexOf(b.code)).map(shown) })

export function siteLimits(city, method, user, site, act, text) {
  if (method === 'GET') return listed(city, site)
  const input = JSON.parse(text)
  all(city)
  if (act === 'limits') {
    const l = { id: city.limits.length + 1, site, severity: 'warning', basis: 'operational', version: 1, updated: now(), name_en: input.name_vi, ...input }
    city.limits.push(l)
    city.note('created', 'limit', String(l.id), user, input.why, site)
    return shown(l)
  }
  const held = (code) => input[code] ?? city.limits.find((l) => l.site === site && l.code === code && inForce(l))?.value
  for (const [low, high] of [['bd1', 'bd2'], ['bd2', 'bd3'], ['bd1', 'bd3'], ['normal', 'flood']]) {
    if (held(low) >= held(high)) refuse(422, 'invalid', high, 'level_order', `${levels[low][0]} (${held(low)}) phải thấp hơn ${levels[high][0]} (${held(high)}); hãy sửa cả hai cùng lúc.`,
      `${levels[low][1]} (${held(low)}) must be lower than ${levels[high][1]} (${held(high)}); change both at once.`)
  }
  for (const code of order) {
    if (input[code] === undefined) continue
    const old = city.limits.find((l) => l.site === site && l.code === code && inForce(l, input.from))
    const more = Object.fromEntries(['datum', 'basis', 'reference', 'from'].filter((k) => input[k]).map((k) => [k, input[k]]))
    if (old && !input.from) Object.assign(old, more, { value: input[code], version: old.version + 1 })
    else {
      if (old) old.until = input.from
      level(city, site, code, input[code], { year: code === 'record' ? input.record_year : undefined, ...more })
    }
    city.note(old && !input.from ? 'updated' : 'created', 'limit', code, user, input.why, site)
  }
  return listed(city, site)
}

export function limit(city, req, user, id, q, text) {
  const l = all(city).find((x) => x.id === id)
  if (!l) return undefined
  if (req.headers['if-match'] !== `"${l.version}"`) refuse(412, 'stale', 'If-Match', 'changed_meanwhile', 'Có người vừa sửa mục này.', 'Somebody changed this meanwhile.')
  if (req.method === 'DELETE') {
    city.limits = city.limits.map((x) => (x === l ? { ...x, site: '' } : x))
    city.note('deleted', 'limit', String(id), user, q.why, l.site)
    return null
  }
  Object.assign(l, { from: undefined, until: undefined }, JSON.parse(text), { version: l.version + 1 })
  city.note('updated', 'limit', String(id), user, '', l.site)
  return shown(l)
}
