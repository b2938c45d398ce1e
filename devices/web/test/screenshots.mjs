// Pictures of every page at the width of a phone, a desk and a wall, into a
// temporary folder, to be looked at: `npm run screenshots [-- name …]`.

import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { City } from '../dev/city.mjs'
import { serve } from '../dev/server.mjs'
import { launch, open } from './browser.mjs'

const out = process.env.OUT ?? join(tmpdir(), 'haidang-screenshots')
mkdirSync(out, { recursive: true })
const only = process.argv.slice(2)

const empty = () => {
  const c = new City()
  for (const d of c.devices.keys()) c.devices.delete(d)
  Object.assign(c, { installations: [], changes: [], heard: [], quarantine: [] })
  c.ledger = () => ({ time: new Date().toISOString(), balanced: true, gateways: [], journal: { records: 0, bytes: 0, max_bytes: 8 << 20 } })
  return c
}

const fill = {
  async device(p) {
    await p.getByLabel('Mã thiết bị').fill('aq-0042')
    await p.getByLabel('Chất lượng không khí').check()
    await p.getByLabel('Thời tiết').check()
  },
  async position(p) {
    await fill.device(p)
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByRole('button', { name: 'Lấy vị trí điện thoại' }).click()
    await p.getByText('Sai số ± 6 m').waitFor()
  },
  async site(p) {
    await fill.position(p)
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Điểm đo mới').check()
    await p.getByLabel('Tên điểm đo').fill('Cầu Trần Phú, phía nam, cạnh trạm biến áp số 12 đường Phạm Văn Đồng')
  },
  async done(p) {
    await fill.site(p)
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByRole('button', { name: 'Đăng ký', exact: true }).last().click()
    await p.getByText('Đã nhận dữ liệu').waitFor({ timeout: 15_000 })
  },
  async conflict(p) {
    await p.getByLabel('Mã thiết bị').fill('aq-0001')
    await p.getByLabel('Chất lượng không khí').check()
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Tọa độ').fill('12,2588; 109,1985')
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByLabel('Điểm đo mới').check()
    await p.getByLabel('Tên điểm đo').fill('Đảo Bình Ba')
    await p.getByRole('button', { name: 'Tiếp tục' }).click()
    await p.getByRole('button', { name: 'Đăng ký', exact: true }).last().click()
    await p.getByText('đã có người đăng ký trước').waitFor()
  },
}

const csv = '\uFEFFMã thiết bị;Loại đo;Điểm đo;Vĩ độ;Kinh độ\r\naq-0100;air_quality;Chợ Đầm;12,2552;109,1918\r\naq 0101;air_quality;Chợ Đầm;12,2552;109,1918\r\naq-0102;air_quality;Hòn Chồng;109,2060;12,2725\r\n'

const shots = [
  ['login', '/', { user: '' }],
  ['overview', '/', { act: (p) => p.waitForTimeout(2500) }],
  ['overview-light', '/', { theme: 'light', act: (p) => p.waitForTimeout(2500) }],
  ['overview-en', '/', { language: 'en' }],
  ['overview-locality', '/?locality=ninh-hoa', {}],
  ['overview-empty', '/', { city: empty }],
  ['site', '/sites/thap-tram-huong', {}],
  ['site-light', '/sites/cau-da', { theme: 'light' }],
  ['site-error', '/sites/bai-bien-tran-phu', {}],
  ['site-empty', '/sites/ho-da-ban', {}],
  ['site-swap', '/sites/thap-tram-huong', { act: (p) => p.getByRole('button', { name: 'Thay thiết bị' }).first().click() }],
  ['silence', '/silence', {}],
  ['silence-empty', '/silence', { city: empty }],
  ['register', '/register', {}],
  ['register-scan', '/register', { act: async (p) => { await p.getByRole('button', { name: 'Quét mã QR' }).click(); await p.waitForTimeout(1500) } }],
  ['register-position', '/register', { act: fill.position }],
  ['register-site', '/register', { act: fill.site }],
  ['register-done', '/register', { act: fill.done }],
  ['register-conflict', '/register', { act: fill.conflict }],
  ['heard', '/heard', {}],
  ['heard-empty', '/heard', { city: empty }],
  ['quarantine', '/quarantine', {}],
  ['quarantine-empty', '/quarantine', { city: empty }],
  ['ledger', '/ledger', { act: (p) => p.waitForTimeout(7000) }],
  ['ledger-empty', '/ledger', { city: empty }],
  ['import', '/import', {}],
  ['import-errors', '/import', { act: (p) => p.locator('input[type=file]').setInputFiles({ name: 'thiet-bi.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) }) }],
  ['site-secret', '/sites/thap-tram-huong', { act: async (p) => { await p.getByRole('button', { name: 'Mật khẩu' }).first().click(); await p.getByRole('button', { name: 'Cấp mật khẩu' }).click() } }],
  ['labels', '/labels', {}],
  ['labels-secret', '/labels?q=aq', { act: async (p) => { await p.getByLabel('Số nhãn đã dùng').fill('4'); await p.getByLabel(/Cấp mật khẩu mới/).check() } }],
  ['export', '/export', {}],
  ['journal', '/journal', {}],
  ['journal-access', '/journal?of=access', { user: 'admin' }],
  ['journal-none', '/journal?who=nobody', {}],
  ['people', '/people', { user: 'admin' }],
  ['people-light', '/people', { user: 'admin', theme: 'light' }],
  ['people-invite', '/people', { user: 'admin', act: async (p) => { await p.getByRole('button', { name: 'Mời người dùng' }).click(); await p.getByRole('radio', { name: /Hiện trường/ }).check() } }],
  ['people-link', '/people', { user: 'admin', act: async (p) => { await p.getByRole('button', { name: 'Mời người dùng' }).click(); await p.getByRole('button', { name: 'Tạo liên kết' }).click() } }],
  ['people-change', '/people', { user: 'admin', act: (p) => p.getByRole('button', { name: 'Sửa field' }).click() }],
  ['tokens', '/tokens', { user: 'admin' }],
  ['tokens-new', '/tokens', { act: (p) => p.getByRole('button', { name: 'Tạo mã API' }).click() }],
  ['tokens-made', '/tokens', { act: async (p) => { await p.getByRole('button', { name: 'Tạo mã API' }).click(); await p.getByLabel('Dùng cho chương trình nào').fill('Báo cáo'); await p.getByRole('button', { name: 'Tạo mã', exact: true }).click() } }],
  ['tokens-empty', '/tokens', { user: 'viewer' }],
  ['account', '/account', {}],
  ['menu', '/labels', { user: 'admin', act: async (p) => { const more = p.getByRole('button', { name: 'Thêm', exact: true }); if (await more.isVisible()) await more.click() } }],
  ['nowhere', '/nowhere', {}],
]

const browser = await launch()
for (const [name, path, o] of shots) {
  if (only.length && !only.some((n) => name.startsWith(n))) continue
  for (const size of ['phone', 'desktop', 'wall']) {
    if (size === 'wall' && !['overview', 'site', 'silence', 'ledger', 'quarantine', 'heard', 'import', 'register', 'labels', 'export', 'journal', 'people', 'tokens'].includes(name)) continue
    const server = await serve({ loggedIn: o.user ?? 'operator', city: o.city?.() })
    const { context, page, faults } = await open(browser, size, server.url, o)
    try {
      await page.goto(server.url + path)
      await page.waitForTimeout(900)
      await o.act?.(page)
      await page.waitForTimeout(500)
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (wide > 0) console.log(`${name} ${size}: ${wide} px too wide`)
      await page.screenshot({ path: join(out, `${name}-${size}.png`), fullPage: size !== 'wall' })
    } catch (e) {
      console.log(`${name} ${size}: ${String(e).split('\n')[0]}`)
      await page.screenshot({ path: join(out, `${name}-${size}-failed.png`) })
    }
    for (const f of faults) console.log(`${name} ${size}: ${f}`)
    await context.close()
    await server.close()
  }
}
await browser.close()
console.log(out)
