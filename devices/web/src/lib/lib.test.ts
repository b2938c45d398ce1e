import { describe, expect, it } from 'vitest'
import type { Localities, Series } from './api'
import { columns } from './chart'
import { Clock } from './clock'
import { errorsFile } from './csv'
import { distance, matches, parsePosition, place, slug, wardsNear } from './geo'
import { readLabel } from './qr'
import { redriveAll } from './redrive'

describe('places', () => {
  it('reads coordinates as people write them', () => {
    for (const text of ['12.2389, 109.1967', '12,2389; 109,1967', '12,2389 109,1967', '12,2389, 109,1967', 'geo:12.2389,109.1967?z=17']) {
      expect(parsePosition(text), text).toEqual({ lat: 12.2389, lon: 109.1967 })
    }
    for (const text of ['', '12', 'abc', '12.2.3, 4', '12.2, 999']) expect(parsePosition(text), text).toBeUndefined()
  })

  it('notices what lies outside, and what would lie inside the other way round', () => {
    const province = { west: 108.5, south: 11.3, east: 109.5, north: 12.9 }
    expect(place(province, { lat: 12.2, lon: 109.2 })).toEqual({ ok: true })
    expect(place(province, { lat: 109.2, lon: 12.2 })).toEqual({ ok: false, swapped: { lat: 12.2, lon: 109.2 } })
    expect(place(province, { lat: 10.8, lon: 106.6 })).toEqual({ ok: false, swapped: undefined })
  })

  it('suggests wards whose box holds the position, the nearest centre first', () => {
    const ward = (code: string, west: number, east: number) => ({ code, name_vi: code, form: 'xa' as const, box: { west, east, south: 12, north: 12.2 } })
    const all = { localities: [{ id: 'l', name_vi: 'l', box: ward('', 109, 110).box, wards: [ward('big', 109, 110), ward('near', 109.1, 109.3), ward('far', 109.8, 109.9)] }], other_wards: [], province: ward('', 108, 110).box } as Localities
    expect(wardsNear(all, { lat: 12.1, lon: 109.2 }).map((w) => w.ward.code)).toEqual(['near', 'big'])
    expect(wardsNear(all, { lat: 14, lon: 109.2 })).toHaveLength(3)
  })

  it('makes ids and finds names without diacritics', () => {
    expect(slug('Cầu Trần Phú, phía nam')).toBe('cau-tran-phu-phia-nam')
    expect(slug('Đường 2/4')).toBe('duong-2-4')
    expect(slug('<script>')).toBe('script')
    expect(slug('  …  ')).toBe('')
    expect(matches('Phường Đông Ninh Hòa', 'dong hoa')).toBe(true)
    expect(matches('Hoà', 'hòa')).toBe(true)
    expect(matches('Cam Linh', 'cam lam')).toBe(false)
    expect(distance({ lat: 12.2389, lon: 109.1967 }, { lat: 12.2588, lon: 109.1985 })).toBeCloseTo(2221, -1)
  })
})

it('reads labels, and never a secret', () => {
  expect(readLabel('aq-0042')).toEqual({ device: 'aq-0042' })
  expect(readLabel('https://haidang.example/register?device=aq-0042#secret=abc')).toEqual({ device: 'aq-0042', site: undefined })
  expect(readLabel('https://haidang.example/register?device=aq-0042&site=cau-da')).toEqual({ device: 'aq-0042', site: 'cau-da' })
  for (const text of ['https://example.org/', 'WIFI:S:x;;', 'javascript:alert(1)', 'a b', 'https://x/register?device=<b>', '']) expect(readLabel(text), text).toBeUndefined()
})

describe('the clock', () => {
  const at = Date.parse('2026-11-21T12:00:00Z')
  it('notices a phone that is ahead, and keeps it in mind', () => {
    const kept = new Map<string, string>()
    const storage = { getItem: (k: string) => kept.get(k) ?? null, setItem: (k: string, v: string) => void kept.set(k, v) }
    const c = new Clock(storage)
    c.learn('Sat, 21 Nov 2026 12:00:00 GMT', at + 7200_000, at + 7201_000)
    expect(c.skew).toBe(7200)
    expect(c.wrong).toBe(true)
    expect(new Clock(storage).skew).toBe(7200)
  })
  it('does not judge by a slow answer, nor by none', () => {
    const c = new Clock()
    c.learn('Sat, 21 Nov 2026 12:00:00 GMT', at + 7200_000, at + 7260_000)
    c.learn(null, at, at)
    expect(c.skew).toBeUndefined()
  })
  it('lets a second pass', () => {
    const c = new Clock()
    c.learn('Sat, 21 Nov 2026 12:00:00 GMT', at + 1400, at + 1600)
    expect(c.skew).toBe(1)
    expect(c.wrong).toBe(false)
  })
})

describe('a chart', () => {
  const series = (minutes: number[][], step = 60): Series => ({
    unit: 'm', from: '', to: '', step_seconds: step,
    series: minutes.map((ms, i) => ({ device: `d${i}`, points: ms.map((m) => ({ t: new Date(m * 60_000).toISOString(), min: m - 1, mean: m, max: m + 1 })) })),
  })
  it('leaves a gap a gap', () => {
    const c = columns(series([[1, 2, 3, 30, 31]]))
    const hole = c.times.indexOf(4 * 60)
    expect(c.devices[0].mean[hole]).toBeNull()
    expect(c.devices[0].mean.filter((v) => v === null)).toHaveLength(1)
  })
  it('does not break a line at the device’s own rhythm', () => {
    expect(columns(series([[0, 15, 30, 45, 60]])).devices[0].mean).toEqual([0, 15, 30, 45, 60])
  })
  it('puts two devices on one axis without breaking either', () => {
    const c = columns(series([[0, 2, 4], [1, 3, 5]]))
    expect(c.times).toHaveLength(6)
    expect(c.devices.every((d) => !d.mean.includes(null))).toBe(true)
    expect(c.summary).toEqual({ min: -1, max: 6, last: 5 })
  })
  it('knows which steps the instrument flagged', () => {
    const s = series([[1, 2, 3]])
    s.series[0].points[1].quality = 'error'
    const c = columns(s)
    expect(c.flagged).toBe(true)
    expect(c.devices[0].flags).toEqual([undefined, 'error', undefined])
    expect(columns(series([[1]])).flagged).toBe(false)
  })
  it('is empty where there is nothing', () => {
    expect(columns(series([[]])).summary).toBeUndefined()
  })
})

it('re-drives page by page and stops where it does not get further', async () => {
  const asked: (number | undefined)[] = []
  const pages = [10, 20, 20]
  const sum = await redriveAll(
    async (f) => {
      asked.push(f.after)
      return { tried: 5, stored: 3, duplicate: 1, partial: 0, waiting: 1, cut: 0, next: pages[asked.length - 1] }
    },
    {},
    () => {},
  )
  expect(asked).toEqual([undefined, 10, 20])
  expect(sum).toEqual({ tried: 15, stored: 9, duplicate: 3, waiting: 3, cut: 0 })
})

it('writes an import’s errors for a spreadsheet, without formulas', () => {
  const file = errorsFile(
    { committed: false, rows: 1, imported: 0, failed: 1, format: 'csv', columns: [], results: [{ row: 7, status: 'failed', errors: [{ column: '=cmd()', code: 'x', vi: 'Sai; "lạ"', en: 'Wrong' }] }] },
    'vi',
  )
  expect(file).toBe('\uFEFFDòng;Cột;Lỗi;Gợi ý\r\n7;\'=cmd();"Sai; ""lạ""";\r\n')
})
