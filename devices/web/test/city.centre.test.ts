// The operations centre, in a real browser against the real program, where any
// program may publish. See city.field.test.ts.

import { afterAll, beforeAll, expect, it, vi } from 'vitest'
// @ts-expect-error: shared with the screenshots, plain JavaScript
import { launch } from './browser.mjs'
// @ts-expect-error: shared with the screenshots, plain JavaScript
import { eventually, startCity } from './city.mjs'
import { accessible, air, HERE, input, mark, newSite, next, PATIENCE, position, same, submit, Town } from './visits'

vi.setConfig({ testTimeout: 4 * PATIENCE, hookTimeout: 4 * PATIENCE })

let city: any
const town = new Town()
const { people, visit } = town

beforeAll(async () => {
  town.browser = await launch()
  city = town.city = await startCity('--login', '--admission', 'registered')
})
afterAll(async () => {
  await town.browser?.close()
  await city?.stop()
})

// First, because the others need the administrator whom it makes.
it('lets the first administrator in by the one-time link, and by the password from then on', async () => {
  const p = await visit('desktop', `/welcome#${city.link}`)
  await p.getByLabel('Tên đăng nhập').fill('lan')
  await p.getByLabel('Mật khẩu mới').fill('ngắn')
  await p.getByRole('button', { name: 'Lưu và đăng nhập' }).click()
  await p.getByRole('alert').waitFor() // too short
  await p.getByLabel('Mật khẩu mới').fill('ngọn đèn trên mũi đá')
  await p.getByRole('button', { name: 'Lưu và đăng nhập' }).click()
  await p.getByText('Chưa có thiết bị nào').waitFor()
  expect(p.url()).not.toContain(city.link)
  people.admin = { storageState: await p.context().storageState() }
  const csrf = await p.evaluate(async () => (await (await fetch('/api/v1/session')).json()).csrf)
  const [{ name, value }] = await p.context().cookies()
  await city.useToken({ Cookie: `${name}=${value}`, 'X-CSRF-Token': csrf })

  const again = await visit('desktop', `/welcome#${city.link}`)
  await again.getByText('Liên kết này đã dùng hoặc hết hạn').waitFor()

  const other = await visit('phone', '/')
  await other.getByLabel('Tên đăng nhập').fill('lan')
  await other.getByLabel('Mật khẩu', { exact: true }).fill('không phải mật khẩu')
  await other.getByRole('button', { name: 'Đăng nhập' }).click()
  await other.getByText('Sai tên đăng nhập hoặc mật khẩu.').waitFor()
  await other.getByLabel('Mật khẩu', { exact: true }).fill('ngọn đèn trên mũi đá')
  await other.getByRole('button', { name: 'Đăng nhập' }).click()
  await other.getByText('Chưa có thiết bị nào').waitFor()

  people.operator = await city.person('operator')
  people.viewer = await city.person('viewer')
  people.south = await city.person('operator', 'south', { localities: ['cam-ranh'] })
})

it('shows values and silence as they happen, without a reload', async () => {
  await city.register('aq-1', ['air_quality'], { id: 'cau-xom-bong', name: 'Cầu Xóm Bóng' }, { cadence_seconds: 1 })
  const [p, q] = [await visit('desktop', '/', { as: 'viewer' }), await visit('phone', '/sites/cau-xom-bong', { as: 'viewer' })]
  await p.getByText('Trực tiếp').waitFor()
  await q.getByText('Chưa có giá trị nào.').waitFor()
  await q.getByText('Trực tiếp').waitFor()
  await mark(p)
  await mark(q)
  for (const [sent, shown] of [[12.4, '12,4'], [57.3, '57,3']] as const) {
    await city.publish(air('aq-1'), { pm25: sent })
    await p.getByText(`${shown} µg/m³`).first().waitFor()
    await q.locator('dd').getByText(shown).waitFor()
  }
  // Ten seconds later it is silent, and everybody is told.
  const attention = p.locator('section[aria-labelledby=attention]')
  await attention.getByText(/aq-1 · Mất tín hiệu/).waitFor()
  await q.getByText('Mất tín hiệu').first().waitFor()
  // It speaks again, and goes on: after three seconds without a word it would be late.
  await eventually('a device that speaks needs no attention', async () => {
    await city.publish(air('aq-1'), { pm25: 1 })
    return (await attention.getByText('aq-1').count()) === 0
  })
  expect([await same(p), await same(q)]).toEqual([true, true])
})

it('swaps, maintains and retires in two taps, and the series of the site goes on', async () => {
  await city.register('aq-2', ['air_quality'], { id: 'cang', name: 'Cảng Nha Trang' })
  await city.publish(air('aq-2'), { pm25: 20 })
  await eventually('the first reading is stored', async () => (await city.stored('air_quality_pm25', 'cang')).length)
  const p = await visit('phone', '/sites/cang')
  const state = async (d: string) => (await city.call('GET', `/devices/${d}`)).state

  await p.getByRole('button', { name: 'Bảo trì' }).click()
  await p.getByRole('dialog').getByRole('button', { name: 'Bắt đầu bảo trì' }).click()
  await p.getByText('Đang bảo trì').first().waitFor()
  expect(await state('aq-2')).toBe('maintenance')
  await p.getByRole('button', { name: 'Kết thúc bảo trì' }).click()
  await p.getByRole('dialog').getByRole('button', { name: 'Kết thúc bảo trì' }).click()
  await p.getByRole('dialog').waitFor({ state: 'detached' })
  expect(await state('aq-2')).toBe('active')

  await p.getByRole('button', { name: 'Thay thiết bị' }).click()
  await p.getByLabel('Mã thiết bị mới').fill('aq-3')
  await p.getByLabel('Thiết bị cũ hỏng hẳn').check()
  await p.getByRole('dialog').getByRole('button', { name: 'Thay', exact: true }).click()
  await p.locator('section[aria-labelledby=devices]').getByText('aq-3').waitFor()
  expect([await state('aq-2'), await state('aq-3')]).toEqual(['retired', 'active'])
  await city.publish(air('aq-3'), { pm25: 30 })
  await eventually('both devices are in the series of the site', async () => (await city.stored('air_quality_pm25', 'cang')).map((r: any) => `${r.device} ${r.value}`).join() === 'aq-2 20,aq-3 30')
  await p.locator('dd').getByText('30').first().waitFor()
  await p.locator('.uplot canvas').waitFor()

  await p.getByRole('button', { name: 'Ngừng sử dụng' }).click()
  await p.getByRole('dialog').getByRole('button', { name: 'Ngừng sử dụng' }).click()
  await p.getByText('Chưa lắp thiết bị').first().waitFor()
  expect(await state('aq-3')).toBe('retired')
  const acts = (await city.call('GET', '/sites/cang/changes')).changes.map((c: any) => `${c.who} ${c.action} ${c.device ?? ''}`)
  expect(acts.filter((a: string) => a.startsWith('operator removed'))).toHaveLength(2)
})

it('leads from a heard device to its registration, and what waited is stored by itself', async () => {
  const sent = [1, 2, 3].map((n) => ({ ts: Date.now() - n * 60_000, pm25: n }))
  for (const r of sent) await city.publish(air('aq-9001'), r)
  const p = await visit('desktop', '/heard')
  const card = p.getByRole('listitem').filter({ has: p.getByRole('heading', { name: 'aq-9001' }) })
  await expect.poll(() => card.locator('dl').innerText(), { timeout: PATIENCE }).toMatch(/Số bản tin\s+3/)
  await p.getByRole('link', { name: 'Đăng ký aq-9001' }).click()
  await expect.poll(() => input(p, 'Mã thiết bị'), { timeout: PATIENCE }).toBe('aq-9001')
  expect(await p.getByLabel('Chất lượng không khí').isChecked()).toBe(true)
  await next(p)
  await position(p)
  await newSite(p, 'Chợ Đầm, cổng bắc')
  await submit(p)
  await p.getByText('Đã nhận dữ liệu').waitFor()
  await eventually('all that waited is stored', async () => (await city.stored('air_quality_pm25', 'cho-dam-cong-bac')).map((r: any) => r.value).join() === '3,2,1')
  await p.goto(`${city.url}/heard`)
  await p.getByText('Không có thiết bị lạ nào.').waitFor()
})

it('re-drives what has become right meanwhile, and leaves what has not', async () => {
  await city.register('aq-4', ['air_quality'], { id: 'ga', name: 'Ga Nha Trang' })
  // A quarter of a minute beyond what a clock may be ahead.
  const good = Date.now() + 15_000
  await city.publish(air('aq-4'), { ts: good + 600_000, pm25: 41 })
  await city.publish(air('aq-4'), { pm25: -5 })
  const p = await visit('desktop', '/quarantine')
  await p.getByRole('heading', { name: 'Đồng hồ thiết bị chạy trước' }).waitFor()
  await p.getByRole('heading', { name: 'Ngoài khoảng đo' }).waitFor()
  await eventually('the clock is no more than ten minutes ahead', () => Date.now() > good + 1000)
  await p.getByRole('button', { name: /Xử lý lại 2 bản tin/ }).click()
  await p.getByRole('dialog').getByRole('button', { name: 'Xử lý lại' }).click()
  await p.getByText('Đã xử lý 2: lưu 1, trùng 0, còn chờ 1').waitFor()
  await p.getByRole('heading', { name: 'Đồng hồ thiết bị chạy trước' }).waitFor({ state: 'detached' })
  await p.getByRole('heading', { name: 'Ngoài khoảng đo' }).waitFor()
})

it('shows what devices and people write as text', async () => {
  const script = '<script>window.pwned=1</script><img src=x onerror="window.pwned=1">'
  const backwards = 'עברית Nha Trang' // reads from right to left
  await city.register('aq-5', ['air_quality'], { id: 'hostile', name: script, notes: backwards })
  await city.register('aq-6', ['air_quality'], { id: 'backwards', name: backwards })
  await expect(city.register('aq-7', ['air_quality'], { id: 'turned', name: '\u202Egnort' })).rejects.toThrow('bad_text')
  await city.publish(air('aq-5'), JSON.stringify({ pm25: 5, [script]: 1, '\u202Egnort': 1 }))
  await city.publish(`${air('aq-5')}/<script>window.pwned=1</script>`, 'x')
  await city.publish(air('aq-666'), JSON.stringify({ pm25: 1, note: script + 'x'.repeat(10_000) }))
  await expect(city.register('aq-7', ['air_quality'], { id: 'long', name: 'x'.repeat(10_000) })).rejects.toThrow(/422|400/)

  const p = await visit('phone', '/')
  const fits = async () => expect(await p.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
  await p.getByText(script).first().waitFor()
  await p.getByText(backwards).first().waitFor()
  await fits()
  await p.goto(`${city.url}/sites/hostile`)
  await p.getByRole('heading', { name: script, level: 1 }).waitFor()
  await p.getByText(backwards).waitFor()
  await fits()
  await p.goto(`${city.url}/heard`)
  await expect.poll(() => p.locator('code').first().textContent(), { timeout: PATIENCE }).toContain('<script>window.pwned=1')
  await fits()
  await p.goto(`${city.url}/quarantine`)
  await p.getByText(`${air('aq-5')}/<script>window.pwned=1</script>`, { exact: true }).waitFor()
  await p.getByText('Loại đo này không có đại lượng tên như vậy.').first().waitFor()
  await fits()
  expect(await p.evaluate(() => 'pwned' in window)).toBe(false)
})

it('imports a file: tried, mended, then without its bad row', async () => {
  const p = await visit('desktop', '/import')
  const csv = '\uFEFFMã thiết bị;Loại đo;Điểm đo;Địa phương;Mã phường;Vĩ độ;Kinh độ\r\naq-0100;air_quality;Chợ Xóm Mới;nha-trang;22366;12,2452;109,1918\r\naq 0101;air_quality;Chợ Vĩnh Hải;nha-trang;22366;12,27;109,2\r\naq-0102;air_quality;Hòn Đỏ;nha-trang;22366;109,2060;12,2725\r\n'
  await p.locator('input[type=file]').setInputFiles({ name: 'thiet-bi.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) })
  await p.getByText('2 trong 3 dòng có lỗi. Chưa ghi gì.').waitFor()
  expect(await p.getByRole('row', { name: /3 Mã thiết bị/ }).count()).toBe(1)
  await p.getByText('có phải là 12,2725; 109,206?').waitFor()
  await expect(city.call('GET', '/devices/aq-0100')).rejects.toThrow('404')
  await p.getByRole('button', { name: 'Đảo lại tọa độ của 1 dòng' }).click()
  await p.getByText('1 trong 3 dòng có lỗi. Chưa ghi gì.').waitFor()
  await p.getByRole('button', { name: 'Nhập 2 dòng đúng, bỏ 1 dòng lỗi' }).click()
  await p.getByText('Đã nhập 2 dòng; 1 dòng lỗi không được nhập.').waitFor()
  expect((await city.call('GET', '/devices/aq-0102')).position).toMatchObject({ lat: 12.2725, lon: 109.206 })
})

it('tells how far a large file has come, stops it without a trace, and then imports it', async () => {
  const rows = 3000
  const file = (n: number) => ['device_id,kinds,site_id,site_name,locality,ward,lat,lon', ...Array.from({ length: n }, (_, i) => `many-${i},air_quality,many-${i},Điểm số ${i},nha-trang,22366,${12.2 + (i % 300) / 5000},${109.15 + Math.floor(i / 300) / 5000}`)].join('\n')
  const many = async () => (await city.call('GET', '/devices?q=many&limit=1')).total
  const p = await visit('phone', '/import')
  const seen: number[] = []
  await p.exposeFunction('saw', (n: number) => void seen.push(n))
  await p.evaluate(() => new MutationObserver(() => { const bar = document.querySelector('progress'); if (bar?.hasAttribute('value')) (window as any).saw(bar.value) }).observe(document.body, { subtree: true, childList: true, attributes: true }))
  await p.locator('input[type=file]').setInputFiles({ name: 'nhiều.csv', mimeType: 'text/csv', buffer: Buffer.from(file(rows)) })
  await p.getByText('Cả 3.000 dòng đều đúng. Chưa ghi gì.').waitFor()
  expect(seen.filter((n) => n > 0 && n < rows).length, `progress seen: ${seen}`).toBeGreaterThan(1)
  expect(await many()).toBe(0)

  await p.getByRole('button', { name: 'Nhập 3.000 dòng' }).click()
  await p.getByText(/Đã xét \S+ trong 3\.000 dòng/).waitFor()
  await p.getByRole('button', { name: 'Dừng' }).click()
  await p.getByText(/Đã dừng\. Không dòng nào được nhập/).waitFor()
  await city.register('after-many', ['noise'], { id: 'after-many', name: 'Sau khi dừng' }) // its turn comes when the import is over
  expect(await many()).toBe(1)

  await p.getByRole('button', { name: 'Kiểm tra lại' }).click()
  await p.getByRole('button', { name: 'Nhập 3.000 dòng' }).click()
  await p.getByText('Đã nhập 3.000 dòng.').waitFor()
  expect(await many()).toBe(rows + 1)
})

it('accounts for every message', async () => {
  const p = await visit('desktop', '/ledger', { as: 'viewer' })
  await p.getByText('Cân bằng: không mất bản tin nào').waitFor()
  const { gateways } = await city.call('GET', '/ledger')
  const here = gateways.find((g: any) => g.gateway === 'door')
  expect(here.received).toBeGreaterThan(5)
  const row = p.getByRole('row', { name: /^door \d/ })
  expect((await row.getByRole('cell').allInnerTexts()).slice(1, 8).map((c) => Number.parseInt(c))).toEqual([here.received, here.stored, here.duplicate, here.quarantined, here.discarded, here.canary, here.queued])
  expect(here.received).toBe(here.stored + here.duplicate + here.quarantined + here.discarded + here.canary + here.queued)
  await p.getByRole('button', { name: 'English' }).click()
  await p.getByText('Balanced: not one message lost').waitFor()
})

it('draws the ledger’s history', async () => {
  // The ledger is recorded every minute.
  await eventually('the ledger has a history', async () => {
    const at = (ago: number) => new Date(Date.now() - ago).toISOString()
    const { gateways } = await city.call('GET', `/ledger/history?from=${at(3_600_000)}&to=${at(0)}&step=1m`)
    return gateways.some((g: any) => g.points.some((q: any) => q.received > 0))
  })
  const p = await visit('desktop', '/ledger', { as: 'viewer' })
  const course = p.locator('section[aria-labelledby=course]')
  await course.getByRole('button', { name: '1 giờ' }).click()
  await course.locator('.uplot canvas').waitFor()
  await course.getByText('Suốt khoảng này không thiếu bản tin nào.').waitFor()
  await course.getByLabel('Cổng').selectOption('door')
  await course.locator('.uplot canvas').waitFor()
  const received = await course.locator('dl div').first().locator('dd').textContent()
  expect(Number(received!.replace(/\D/g, ''))).toBeGreaterThan(0)
})

it('shows alarms as they are raised, the gravest first, and who acknowledged them', async () => {
  const p = await visit('phone', '/alarms')
  await p.getByText('Không có ngưỡng nào đang bị vượt.').waitFor()
  await mark(p)
  // Rain of an hour: over both limits of three hours, which are evaluated every minute, at three sites, and in Cam Ranh too.
  // Those of longer, evaluated every five minutes, may come at any time beside them.
  const wet = [['wx-1', 'nha-trang', '22366', 'Đập Am Chúa'], ['wx-2', 'nha-trang', '22366', 'Suối Đổ'], ['wx-3', 'cam-ranh', '22420', 'Bến đò Bình Ba, bờ bắc']]
  for (const [id, locality, ward, name] of wet) {
    const position = locality === 'cam-ranh' ? { lat: 11.9214, lon: 109.1591 } : HERE
    await city.register(id, ['weather'], { id: `mua-${id}`, name, locality, ward, position }, { from: new Date(Date.now() - 2 * 3_600_000).toISOString() })
    for (let n = 1; n <= 6; n++) await city.publish(`kh/${locality}/weather/${id}`, { ts: Date.now() - n * 600_000, rain: id === 'wx-2' ? 20 : 18 })
  }
  const rule = p.getByRole('article', { name: 'Mưa trên 100 mm trong 3 giờ' })
  await rule.waitFor({ timeout: 2 * PATIENCE }) // rules are evaluated every minute
  await rule.getByText('3 nơi').waitFor({ timeout: 2 * PATIENCE })
  expect(await same(p)).toBe(true)
  expect((await p.locator('article h3').allTextContents()).slice(0, 2)).toEqual(['Mưa trên 100 mm trong 3 giờ', 'Mưa trên 80 mm trong 3 giờ'])
  await expect.poll(() => rule.locator('tbody tr').first().innerText(), { timeout: 2 * PATIENCE }).toMatch(/Suối Đổ[\s\S]*120 mm/)
  await rule.getByText('Đối chiếu với trạm lân cận').waitFor()

  // Two people at once: the second is told of the first, and overwrites nothing.
  const other = await visit('desktop', '/alarms', { as: 'admin' })
  for (const page of [p, other]) await page.getByRole('article', { name: 'Mưa trên 100 mm trong 3 giờ' }).getByRole('row', { name: /Suối Đổ/ }).getByRole('button').click()
  await other.getByLabel(/Ghi chú/).fill('để tôi xem')
  await p.getByLabel(/Ghi chú/).fill('đã gọi trực ban')
  await p.getByRole('dialog').getByRole('button', { name: 'Xác nhận', exact: true }).click()
  await p.getByRole('dialog').waitFor({ state: 'detached' })
  await rule.getByRole('row', { name: /Suối Đổ.*operator.*“đã gọi trực ban”/ }).waitFor()
  await other.getByText(/operator vừa xác nhận trước/).waitFor()
  expect(await other.getByRole('dialog').getByRole('button', { name: /^Xác nhận/ }).count()).toBe(0)
  await other.getByRole('dialog').getByRole('button', { name: 'Đóng' }).last().click()

  // Without coverage nothing is lost of what was typed.
  await rule.getByRole('button', { name: 'Xác nhận cả 2' }).click()
  await p.getByLabel(/Ghi chú/).fill('đang theo dõi')
  await p.context().setOffline(true)
  await p.getByRole('dialog').getByRole('button', { name: 'Xác nhận cả 2' }).click()
  await p.getByRole('dialog').getByText('Không kết nối được với máy chủ.').waitFor()
  await p.context().setOffline(false)
  await p.getByRole('dialog').getByRole('button', { name: 'Xác nhận cả 2' }).click()
  await p.getByRole('dialog').waitFor({ state: 'detached' })
  expect(await rule.getByText('Chưa ai xác nhận').count()).toBe(0)
  const { alarms } = await city.call('GET', '/alarms?rule=rain-100mm-3h')
  expect(alarms.map((a: any) => `${a.site} ${a.acknowledged_by} ${a.note}`).sort()).toEqual(['mua-wx-1 operator đang theo dõi', 'mua-wx-2 operator đã gọi trực ban', 'mua-wx-3 operator đang theo dõi'])

  await p.getByRole('link', { name: 'Tổng quan' }).first().click()
  await p.locator('section', { hasText: 'Mưa trên 100 mm trong 3 giờ' }).getByText('Đã xác nhận 3 trong 3').waitFor()
  await p.goto(`${city.url}/sites/mua-wx-2`)
  await p.getByText(/operator đã xác nhận, .*“đã gọi trực ban”/).waitFor()
})

it('lets only those acknowledge an alarm whose locality it is', async () => {
  const p = await visit('desktop', '/alarms', { as: 'south' })
  const rule = p.getByRole('article', { name: 'Mưa trên 80 mm trong 3 giờ' })
  await rule.getByRole('row', { name: /Suối Đổ/ }).waitFor()
  expect(await rule.getByRole('button').count()).toBe(1)
  await p.getByLabel('Địa phương').selectOption('cam-ranh')
  expect(new URL(p.url()).search).toBe('?locality=cam-ranh')
  await rule.getByRole('button', { name: 'Xác nhận' }).click()
  await p.getByRole('dialog').getByRole('button', { name: 'Xác nhận' }).click()
  await rule.getByText(/^south, /).waitFor()
  await p.getByLabel('Chỉ cảnh báo chưa ai xác nhận').check()
  await rule.waitFor({ state: 'detached' })

  const viewer = await visit('phone', '/alarms', { as: 'viewer' })
  await viewer.getByRole('article', { name: 'Mưa trên 80 mm trong 3 giờ' }).waitFor()
  expect(await viewer.locator('article button').count()).toBe(0)
  await viewer.getByRole('button', { name: 'English' }).click()
  await viewer.getByText('Compare with neighbouring stations').first().waitFor()
})

it('hides from a viewer what only others may do, and the server refuses it', async () => {
  const p = await visit('desktop', '/sites/ga', { as: 'viewer' })
  await p.getByRole('heading', { name: 'Thiết bị tại điểm' }).waitFor()
  await p.getByText('aq-4').first().waitFor()
  expect(await p.getByRole('button', { name: 'Bảo trì' }).count()).toBe(0)
  await expect(city.call('POST', '/devices/aq-4/retire', { why: '' }, people.viewer.headers)).rejects.toThrow('403')
})

it('has no serious finding of axe and nothing too wide', async () => {
  const p = await visit('phone', '/', { as: 'admin' })
  for (const path of ['/', '/sites/ga', '/register', '/alarms', '/silence', '/heard', '/quarantine', '/ledger', '/import', '/labels', '/export', '/journal', '/journal?of=access', '/people', '/tokens', '/account']) {
    await p.goto(city.url + path)
    await p.locator('h1').first().waitFor()
    await p.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.skeleton'))
    await accessible(p, path)
  }
})
