// Pictures of every page at the width of a phone, a desk and a wall, from a real
// city with forty simulated devices, for README.md: `npm run screenshots [-- name …]`.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { launch, open } from './browser.mjs'
import { eventually, startCity } from './city.mjs'
import { shrink } from './picture.mjs'

const out = process.env.OUT ?? fileURLToPath(new URL('../screenshots', import.meta.url))
mkdirSync(out, { recursive: true })
const only = process.argv.slice(2)
const DAY = 86_400_000

/** A city at work: simulated devices at the province's places, one that has
 *  fallen silent, an instrument in error, messages in quarantine, strangers, and
 *  rain over the limits. */
async function busyCity() {
  const city = await startCity('--login', '--admission', 'registered', '--simulate', '40')
  city.admin = await city.administrator()
  const heard = await eventually('forty devices are heard', async () => {
    const { heard } = await city.call('GET', '/heard?limit=100')
    return heard.filter((h) => h.draft.device.kinds?.length).length >= 40 && heard
  })
  const { sites } = await city.call('GET', '/sites?limit=200')
  const taken = new Set(['thap-tram-huong air_quality', 'cau-da air_quality', 'bai-bien-tran-phu water_level', ...storm.map(([, site]) => `${site} weather`)])
  for (const h of heard.slice(3)) {
    const kinds = h.draft.device.kinds
    const crowd = (s) => [...taken].filter((t) => t.startsWith(`${s.id} `)).length
    const site = sites.filter((s) => s.locality === h.locality && !kinds.some((k) => taken.has(`${s.id} ${k}`))).sort((a, b) => crowd(a) - crowd(b))[0]
    for (const k of kinds) taken.add(`${site.id} ${k}`)
    await place(city, h.device, kinds, site.id)
  }
  await history(city)
  await rain(city)
  await place(city, 'aq-0107', ['air_quality'], 'cau-da', { cadence_seconds: 1 })
  await city.publish('kh/nha-trang/air_quality/aq-0107', { pm25: 9 })
  await place(city, 'wl-0003', ['water_level'], 'bai-bien-tran-phu')
  await city.publish('kh/nha-trang/air_quality/aq-0001', '{"pm2.5":12.4}')
  await city.publish('kh/nha-trang/air_quality/aq-0001', '{"pm25":99999}')
  await city.publish('kh/nha-trang/water_level/wl-0003', 'level=2.1')
  await eventually('one device is silent', async () => (await city.call('GET', '/silence?state=silent')).devices.length)
  await eventually('the rain has raised alarms', async () => (await city.call('GET', '/alarms?rule=rain-very-heavy-12h')).alarms.length === storm.length, 180_000)
  return city
}

const place = (city, device, kinds, site, more = {}) => city.call('POST', '/registrations', { request_id: `request-${device}`, device: { id: device, kinds }, site: { id: site }, ...more })

// Device, site, locality, and mm in ten minutes.
const storm = [['wx-0101', 'dong-trang', 'nha-trang', 5.2], ['wx-0102', 'dien-phu', 'nha-trang', 6.1], ['wx-0103', 'vinh-phuong', 'nha-trang', 3.4], ['wx-0104', 'ho-suoi-dau', 'cam-lam', 2.3], ['wx-0105', 'cam-linh', 'cam-ranh', 1.1], ['wx-0106', 'duc-my', 'ninh-hoa', 2.8]]

async function rain(city) {
  const now = Date.now()
  for (const [device, site, locality, mm] of storm) {
    await place(city, device, ['weather'], site, { from: new Date(now - DAY).toISOString(), cadence_seconds: 3600 })
    const readings = []
    for (let at = now - DAY / 2; at < now; at += 600_000) readings.push({ ts: at, rain: mm, temperature: 24.5, humidity: 96 })
    await publish(city, `kh/${locality}/weather/${device}`, readings)
  }
}

/** Two alarms have been seen to, as somebody on duty would. */
async function acknowledge(city) {
  const { alarms } = await city.call('GET', '/alarms?limit=100')
  const note = { 'rain-80mm-3h dong-trang': 'Đã báo trực ban xã Diên Lâm; theo dõi mực nước mỗi giờ', 'rain-very-heavy-12h cam-linh': '' }
  for (const a of alarms.filter((a) => `${a.rule} ${a.site}` in note)) await city.call('POST', `/alarms/${a.id}/acknowledge`, { note: note[`${a.rule} ${a.site}`] }, city.operator.headers)
}

/** Publishes many readings on one connection. */
async function publish(city, topic, readings) {
  const [host, port] = city.mqtt.split(':')
  const pub = spawn('mosquitto_pub', ['-h', host, '-p', port, '-q', '1', '-l', '-t', topic])
  pub.stdin.end(readings.map((r) => `${JSON.stringify(r)}\n`).join(''))
  await once(pub, 'close')
}

/** A day of readings, so that a chart has something to show. */
async function history(city) {
  const now = Date.now()
  await place(city, 'aq-0001', ['air_quality'], 'thap-tram-huong', { from: new Date(now - 2 * DAY).toISOString() })
  const readings = []
  for (let at = now - DAY; at < now; at += 300_000) {
    const hour = ((at / 3_600_000) + 7) % 24
    const traffic = Math.exp(-((hour - 7.5) ** 2) / 4) + Math.exp(-((hour - 18) ** 2) / 5)
    const noise = Math.sin(at / 700_000) * 1.5
    const r = (v) => Math.round(v * 10) / 10
    readings.push({ ts: at, pm25: r(9 + 16 * traffic + noise), pm10: r(21 + 24 * traffic + 2 * noise), bat: 3.9, rssi: -71 })
  }
  await publish(city, 'kh/nha-trang/air_quality/aq-0001', readings)
}

async function emptyCity() {
  const city = await startCity('--login')
  city.admin = await city.administrator()
  return city
}

const fill = {
  async position(p) {
    await p.getByLabel('Mã thiết bị').fill('aq-0042')
    await p.getByLabel('Chất lượng không khí').check()
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByRole('button', { name: 'Lấy vị trí điện thoại' }).click()
    await p.getByText('Sai số ± 6 m').waitFor()
  },
  async site(p) {
    await fill.position(p)
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Điểm đo mới').check()
    await p.getByLabel('Tên điểm đo').fill('Cầu Trần Phú, phía nam')
  },
  async sent(p, device) {
    await p.getByLabel('Mã thiết bị').fill(device)
    await p.getByLabel('Chất lượng không khí').check()
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Tọa độ').fill('12,2588; 109,1985')
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Điểm đo mới').check()
    await p.getByLabel('Tên điểm đo').fill(`Cột đèn ${device}`)
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.locator('form').getByRole('button', { name: 'Đăng ký', exact: true }).click()
  },
}

const csv = '\uFEFFMã thiết bị;Loại đo;Điểm đo;Địa phương;Mã phường;Vĩ độ;Kinh độ\r\naq-0100;air_quality;Chợ Xóm Mới;nha-trang;22366;12,2452;109,1918\r\naq 0101;air_quality;Chợ Vĩnh Hải;nha-trang;22366;12,27;109,2\r\naq-0102;air_quality;Hòn Đỏ;nha-trang;22366;109,2060;12,2725\r\n'
// So large that it is still being read when the picture is taken.
const large = () => ['device_id,kinds,site_id,site_name,locality,ward,lat,lon', ...Array.from({ length: 50_000 }, (_, i) => `many-${i},noise,many-${i},Cột số ${i},nha-trang,22366,${12.2 + (i % 300) / 5000},${109.15 + Math.floor(i / 300) / 5000}`)].join('\n')
const map = (p) => p.locator('canvas.maplibregl-canvas').waitFor({ state: 'attached' })
const chart = (p) => p.locator('.uplot canvas').waitFor()

// name, path, and what else: as (nobody: logged out), city, language, theme, sizes, act
const shots = [
  ['login', '/', { as: 'nobody' }],
  ['welcome', '/welcome', { as: 'nobody', invitation: true }],
  ['overview', '/', { sizes: ['phone', 'desktop', 'wall'], act: map }],
  ['overview-light', '/', { theme: 'light', act: map }],
  ['overview-en', '/', { language: 'en', sizes: ['desktop'], act: map }],
  ['overview-empty', '/', { city: 'empty', sizes: ['phone'], act: map }],
  ['site', '/sites/thap-tram-huong', { act: async (p) => { await chart(p); await p.getByRole('button', { name: 'Ngày', exact: true }).click(); await chart(p) } }],
  ['site-light', '/sites/thap-tram-huong', { theme: 'light', language: 'en', sizes: ['desktop'], act: chart }],
  ['site-swap', '/sites/thap-tram-huong', { sizes: ['phone'], act: (p) => p.getByRole('button', { name: 'Thay thiết bị' }).first().click() }],
  ['register', '/register', {}],
  ['register-scan', '/register', { sizes: ['phone'], act: async (p) => { await p.getByRole('button', { name: 'Quét mã QR' }).click(); await p.locator('video').evaluate((v) => new Promise((done) => (v.videoWidth ? done() : v.addEventListener('playing', () => done(), { once: true })))) } }],
  ['register-position', '/register', { sizes: ['phone'], act: fill.position }],
  ['register-site', '/register', { sizes: ['phone'], act: fill.site }],
  ['register-offline', '/register', { sizes: ['phone'], act: async (p) => { await p.getByLabel('Mã thiết bị').waitFor(); await p.context().setOffline(true); await fill.sent(p, 'aq-0043'); await p.locator('[data-state=waiting]').waitFor() } }],
  ['register-done', '/register', { sizes: ['phone'], act: async (p, city) => { await fill.sent(p, 'aq-0044'); await p.locator('[data-state=sent]').waitFor(); await city.publish('kh/nha-trang/air_quality/aq-0044', { pm25: 12.4, pm10: 30.1 }); await p.getByText('Đã nhận dữ liệu').waitFor() } }],
  ['register-conflict', '/register', { sizes: ['phone'], act: async (p) => { await fill.sent(p, 'aq-0107'); await p.getByText('đã có người đăng ký trước').waitFor() } }],
  ['alarms', '/alarms', {}],
  ['alarms-light', '/alarms', { theme: 'light', language: 'en' }],
  ['alarms-acknowledge', '/alarms', { sizes: ['phone'], act: (p) => p.getByRole('button', { name: /Xác nhận cả/ }).first().click() }],
  ['alarms-empty', '/alarms', { city: 'empty', sizes: ['phone'] }],
  ['silence', '/silence', {}],
  ['heard', '/heard', {}],
  ['heard-empty', '/heard', { city: 'empty', sizes: ['phone'] }],
  ['quarantine', '/quarantine', {}],
  ['quarantine-empty', '/quarantine', { city: 'empty', sizes: ['phone'] }],
  ['ledger', '/ledger', { act: async (p) => { await p.getByRole('button', { name: '1 giờ' }).click(); await chart(p); await p.locator('svg rect').nth(3).waitFor({ state: 'attached' }) } }],
  ['import', '/import', { sizes: ['phone'] }],
  ['import-errors', '/import', { sizes: ['desktop'], act: async (p) => { await p.locator('input[type=file]').setInputFiles({ name: 'thiet-bi.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) }); await p.getByText('2 trong 3 dòng có lỗi').waitFor() } }],
  ['import-progress', '/import', { sizes: ['phone'], act: async (p) => { await p.locator('input[type=file]').setInputFiles({ name: 'ca-tinh.csv', mimeType: 'text/csv', buffer: Buffer.from(large()) }); await p.getByText(/Đã xét [1-9]/).waitFor() } }],
  ['labels', '/labels', { act: (p) => p.locator('main input[type=checkbox]').nth(1).waitFor() }],
  ['export', '/export', { sizes: ['phone', 'desktop'] }],
  ['journal', '/journal', { sizes: ['phone', 'desktop'] }],
  ['people', '/people', { as: 'admin', act: (p) => p.getByText('minh').first().waitFor() }],
  ['journal-access', '/journal?of=access', { as: 'admin', sizes: ['desktop'] }],
  ['tokens', '/tokens', { sizes: ['phone', 'desktop'] }],
  ['account', '/account', { sizes: ['phone'] }],
]

const TALLEST = 1400 // CSS pixels of a page that are shown

async function shoot(browser, city, name, path, size, o) {
  const url = city.url
  const as = city[o.as ?? 'operator']?.storageState
  const { context, page, faults } = await open(browser, size, url, { ...o, storageState: as, ...(size === 'phone' && { deviceScaleFactor: 1.5 }) })
  try {
    const link = o.invitation ? `#${(await city.call('POST', '/links', { role: 'field' })).link}` : ''
    await page.goto(url + path + link)
    await page.locator('h1').first().waitFor({ state: 'attached' })
    await page.locator('.skeleton').first().waitFor({ state: 'detached' })
    await o.act?.(page, city)
    await page.evaluate(() => document.fonts.ready)
    await page.waitForTimeout(800) // a map fades in and says nothing when it has
    const { wide, tall } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth - document.documentElement.clientWidth, tall: document.documentElement.scrollHeight }))
    if (wide > 0) console.log(`${name} ${size}: ${wide} px too wide`)
    const { width, height } = page.viewportSize()
    const whole = size !== 'wall' && !(await page.getByRole('dialog').count())
    // A taller window and not a longer picture, or the phone's bar would lie across it.
    if (whole) await page.setViewportSize({ width, height: Math.max(height, Math.min(tall, TALLEST)) })
    if (whole) await page.waitForTimeout(300)
    await page.evaluate(() => scrollTo(0, 0))
    const png = await page.screenshot()
    const small = await shrink(page, png, size === 'wall' ? 1920 : 1440)
    writeFileSync(join(out, `${name}-${size}.png`), small)
    return small.length
  } finally {
    for (const f of faults) console.log(`${name} ${size}: ${f}`)
    await context.close()
  }
}

const cities = { busy: await busyCity(), empty: await emptyCity() }
for (const c of Object.values(cities)) {
  c.operator = await c.person('operator', 'minh')
  if (c === cities.busy) await acknowledge(c)
  for (const [role, name] of [['field', 'an.le'], ['viewer', 'phong.dieu.hanh']]) await c.person(role, name)
}
const browser = await launch()
let bytes = 0
try {
  for (const [name, path, o] of shots) {
    if (only.length && !only.some((n) => name.startsWith(n))) continue
    // An instrument that reports an error, told to whom has the page open.
    for (const size of o.sizes ?? ['phone', 'desktop']) {
      const telling = setInterval(() => cities.busy.publish('kh/nha-trang/water_level/wl-0003', { level: 1.42, quality: 'error' }).catch((e) => console.log(e.message)), 1000)
      try {
        bytes += await shoot(browser, cities[o.city ?? 'busy'], name, path, size, o)
      } catch (e) {
        console.log(`${name} ${size}: ${String(e).split('\n')[0]}`)
        process.exitCode = 1
      } finally {
        clearInterval(telling)
      }
    }
  }
} finally {
  await browser.close()
  for (const c of Object.values(cities)) await c.stop()
}
console.log(`${out}: ${Math.round(bytes / 1024)} KiB`)
