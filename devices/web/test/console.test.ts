// The console in a real browser against the small city of dev/, at the size of a
// phone and of a desk.

import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
// @ts-expect-error: the development server is plain JavaScript
import { serve } from '../dev/server.mjs'
import { accessible, fill, installed, next, submit, Visits, type Size } from './visits'

interface Server {
  url: string
  city: any
  state: { user: string; oidc?: boolean; down: boolean; dateShift: number }
  close(): Promise<void>
}

let server: Server
const visits = new Visits(() => server.close()).ofFile()
const visit = (size: Size, path: string, options: object = {}): Promise<Page> => visits.open(size, server.url, path, options)
const start = async (user = 'operator') => (server = (await serve({ loggedIn: user })) as Server)

const png = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64')

describe('the field app', () => {
  it('registers offline, sends once when back, and turns green', async () => {
    await start('field')
    const p = await visit('phone', '/register')
    await p.getByLabel('Mã thiết bị').waitFor()
    await installed(p)

    await p.context().setOffline(true)
    server.state.down = true
    await p.reload() // the phone was locked and opened again
    await p.getByText('Không có mạng').waitFor()
    await fill(p, 'aq-0042', 'Cầu Trần Phú, phía nam')
    await p.locator('input[type=file]').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: png })
    await p.getByAltText('Ảnh chỗ lắp').waitFor()
    await p.getByLabel(/Độ cao lắp đặt/).fill('3,5')
    await submit(p)
    await p.locator('[data-state=waiting]').waitFor()
    await p.reload()
    await p.locator('[data-state=waiting]').waitFor() // it is in the phone, not in the page

    server.state.down = false
    await p.context().setOffline(false)
    await p.locator('[data-state=sent]').waitFor({ timeout: 30_000 })
    await p.getByRole('button', { name: 'Kiểm tra dữ liệu' }).click()
    await p.getByText('Chưa nhận được tín hiệu').waitFor()
    await p.getByText('Đã nhận dữ liệu').waitFor({ timeout: 20_000 })

    expect(server.city.requests.size).toBe(1)
    const site = server.city.sites.get('cau-tran-phu-phia-nam')
    expect(site).toMatchObject({ ward: '22366', locality: 'nha-trang', mount_height: 3.5, position: { lat: 12.2588, lon: 109.1985, accuracy: 6 } })
    expect(server.city.installations.filter((i: { device: string }) => i.device === 'aq-0042')).toHaveLength(1)
  })

  it('explains to the second of two phones who was quicker, and overwrites nothing', async () => {
    await start('field')
    const [a, b] = [await visit('phone', '/register'), await visit('phone', '/register')]
    for (const p of [a, b]) {
      await p.getByLabel('Mã thiết bị').waitFor()
      await installed(p)
      await p.context().setOffline(true)
    }
    await fill(a, 'aq-0042', 'Cột đèn A')
    await submit(a)
    await fill(b, 'aq-0042', 'Cột đèn B')
    await submit(b)
    await a.context().setOffline(false)
    await a.locator('[data-state=sent]').waitFor({ timeout: 30_000 })
    await b.context().setOffline(false)
    await b.getByText('Thiết bị này đã có người đăng ký trước').waitFor({ timeout: 30_000 })
    await b.getByText(/field đã đăng ký aq-0042 tại Cột đèn A/).waitFor()

    expect(server.city.open('aq-0042').site).toBe('cot-den-a')
    expect(server.city.sites.has('cot-den-b')).toBe(false)
    await b.reload()
    await b.locator('[data-state=refused]').waitFor() // until a person has decided
    await b.getByRole('button', { name: 'bỏ bản của tôi' }).click()
    await b.locator('[data-state=refused]').waitFor({ state: 'detached' })
  })

  it('says what is wrong until data comes', async () => {
    await start('field')
    server.city.checks.set('aq-0042', { state: 'wrong_secret', text_vi: '', text_en: '', reason: 'wrong_secret' })
    const p = await visit('phone', '/register')
    await fill(p, 'aq-0042', 'Cột đèn')
    await submit(p)
    await p.getByText('Sai mật khẩu thiết bị').waitFor()
    server.city.checks.set('aq-0042', { state: 'quarantined', text_vi: '', text_en: '', reason: 'out_of_range', sample: '<img src=x onerror=alert(1)>' })
    await p.getByText('Lý do: Ngoài khoảng đo.').waitFor({ timeout: 10_000 })
    expect(await p.locator('code').textContent()).toBe('<img src=x onerror=alert(1)>')
    server.city.checks.delete('aq-0042')
    await p.getByText('Đã nhận dữ liệu').waitFor({ timeout: 20_000 })
  })

  it('is not green for a reading that the instrument flags as faulty', async () => {
    await start('field')
    const check = (quality: number) => ({ state: 'receiving', text_vi: '', text_en: '', registered: true, last: { site: 'x', device: 'aq-0042', kind: 'air_quality', time: new Date().toISOString(), values: { pm25: 12.4, quality } } })
    server.city.checks.set('aq-0042', check(2))
    const p = await visit('phone', '/register')
    await fill(p, 'aq-0042', 'Cột đèn')
    await submit(p)
    await p.getByText('Thiết bị tự báo lỗi đo').waitFor()
    expect(await p.getByText('Đã nhận dữ liệu', { exact: true }).count()).toBe(0)
    server.city.checks.set('aq-0042', check(0))
    await p.getByText('Đã nhận dữ liệu').waitFor()
  })

  it('offers what a device sent before its registration', async () => {
    await start('field')
    const p = await visit('phone', '/register')
    await p.getByLabel('Mã thiết bị').fill('aq-9001')
    await p.getByText('Thiết bị đã gửi 24 bản tin').waitFor()
    await p.getByLabel(/Tính là lắp từ lúc đó/).check()
    expect(await p.getByLabel('Chất lượng không khí').isChecked()).toBe(true)
    const [request] = await Promise.all([
      p.waitForRequest((r) => r.method() === 'POST' && r.url().endsWith('/registrations')),
      (async () => {
        await next(p)
        await p.getByLabel('Tọa độ').fill('12,2588; 109,1985')
        await next(p)
        await p.getByLabel('Điểm đo mới').check()
        await p.getByLabel('Tên điểm đo').fill('Cột đèn')
        await next(p)
        await submit(p)
      })(),
    ])
    expect(request.postDataJSON().from).toBeUndefined()
  })

  it('offers swapped coordinates the other way round, and asks about those outside', async () => {
    await start('field')
    const p = await visit('phone', '/register?device=aq-0042&kinds=air_quality')
    await next(p)
    await p.getByLabel('Tọa độ').fill('109,1967; 12,2389')
    await p.getByRole('button', { name: /Đổi thành 12,238900; 109,196700/ }).click()
    expect(await p.getByRole('button', { name: 'Tiếp tục' }).isEnabled()).toBe(true)
    await p.getByLabel('Tọa độ').fill('10,78; 106,7')
    expect(await p.getByRole('button', { name: 'Tiếp tục' }).isEnabled()).toBe(false)
    await p.getByLabel('Lý do vị trí nằm ngoài tỉnh').fill('Trạm thử ở TP. Hồ Chí Minh')
    expect(await p.getByRole('button', { name: 'Tiếp tục' }).isEnabled()).toBe(true)
  })

  it('notices a wrong clock', async () => {
    await start('field')
    server.state.dateShift = -7200
    const p = await visit('phone', '/register')
    await p.getByText(/Đồng hồ điện thoại nhanh 2 giờ/).waitFor()
  })

  it('keeps a registration while the session has ended, and sends it after the log-in', async () => {
    await start('field')
    const p = await visit('phone', '/register')
    await fill(p, 'aq-0042', 'Cột đèn')
    server.state.user = ''
    await submit(p)
    await p.getByLabel('Tên đăng nhập').fill('field')
    await p.getByLabel('Mật khẩu', { exact: true }).fill('field')
    await p.getByRole('button', { name: 'Đăng nhập' }).click()
    await p.locator('[data-state=sent]').waitFor({ timeout: 20_000 })
  })
})

describe('the operations centre', () => {
  it('shows who is silent first, and hears of it by the live stream', async () => {
    await start('viewer')
    const p = await visit('desktop', '/')
    await p.getByRole('button', { name: /Nha Trang/ }).first().waitFor()
    await p.getByText(/4 trong 5 thiết bị sau cổng lora-cam-lam/).waitFor()
    expect(await p.getByText('Trực tiếp').isVisible()).toBe(true)
    await p.getByRole('heading', { name: 'Vừa nhận' }).waitFor({ timeout: 10_000 })
    await p.getByLabel('Tìm điểm đo (không cần dấu)').fill('cau tran phu')
    await p.getByRole('link', { name: /Cầu Trần Phú/ }).last().click()
    await p.getByRole('heading', { name: 'Cầu Trần Phú', level: 1 }).waitFor()
    await p.getByText('µg/m³').first().waitFor()
    await p.locator('.uplot canvas').waitFor()
  })

  it('draws the map without a request beyond the server', async () => {
    await start()
    const p = await visit('desktop', '/')
    await p.locator('canvas.maplibregl-canvas').waitFor({ timeout: 20_000 })
  })

  it('starts maintenance in two taps, and swaps a device so that the history goes on', async () => {
    await start('field')
    const p = await visit('phone', '/sites/thap-tram-huong')
    await p.getByRole('button', { name: 'Bảo trì' }).first().click()
    await p.getByRole('dialog').getByRole('button', { name: 'Bắt đầu bảo trì' }).click()
    await p.getByText('Đang bảo trì').first().waitFor()
    expect(server.city.devices.get('aq-0001').state).toBe('maintenance')

    await p.getByRole('button', { name: 'Thay thiết bị' }).first().click()
    await p.getByLabel('Mã thiết bị mới').fill('aq-0777')
    await p.getByRole('dialog').getByRole('button', { name: 'Thay', exact: true }).click()
    await p.getByText('aq-0777').first().waitFor()
    expect(server.city.open('aq-0777').site).toBe('thap-tram-huong')
  })

  it('tells when somebody else changed the device meanwhile', async () => {
    await start('field')
    const p = await visit('desktop', '/sites/thap-tram-huong')
    await p.getByRole('button', { name: 'Bảo trì' }).first().click()
    server.city.devices.get('aq-0001').version = 9
    await p.getByRole('dialog').getByRole('button', { name: 'Bắt đầu bảo trì' }).click()
    await p.getByText(/Có người vừa đổi thiết bị này/).waitFor()
    await p.getByRole('dialog').getByRole('button', { name: 'Bắt đầu bảo trì' }).click()
    await p.getByRole('dialog').waitFor({ state: 'detached' })
  })

  it('acknowledges an alarm, and the overview says who did', async () => {
    await start()
    const p = await visit('desktop', '/alarms')
    await p.getByRole('heading', { name: 'Đang hoạt động (2)' }).waitFor()
    await p.getByText('Mưa trên 80 mm trong 3 giờ').first().waitFor()
    expect(await p.getByText('Mưa trên 80 mm trong 3 giờ').count()).toBe(1)
    await p.getByRole('button', { name: 'Xác nhận' }).first().click()
    await p.getByRole('dialog').getByRole('textbox').fill('đã báo xã Diên Thọ')
    await p.getByRole('dialog').getByRole('button', { name: 'Xác nhận' }).click()
    await p.getByText('“đã báo xã Diên Thọ”').waitFor()
    expect(await p.getByRole('button', { name: 'Xác nhận' }).count()).toBe(1)
    await p.getByRole('link', { name: 'Tổng quan' }).first().click()
    await p.locator('section', { hasText: 'Báo động II tại Đồng Trăng' }).getByText(/đã xác nhận/).first().waitFor()
  })

  it('re-drives the quarantine page by page', async () => {
    await start()
    const p = await visit('desktop', '/quarantine')
    await p.getByRole('button', { name: /Thiết bị chưa đăng ký/ }).click()
    await p.getByRole('button', { name: /Xử lý lại 14 bản tin/ }).click()
    await p.getByRole('dialog').getByRole('button', { name: 'Xử lý lại' }).click()
    await p.getByText(/Đã xử lý 14: lưu 14/).waitFor()
  })

  it('imports a file: tried, mended, then without its bad row', async () => {
    await start()
    const p = await visit('desktop', '/import')
    const csv = '\uFEFFMã thiết bị;Loại đo;Điểm đo;Địa phương;Mã phường;Vĩ độ;Kinh độ\r\naq-0100;air_quality;Chợ Đầm;nha-trang;22366;12,2552;109,1918\r\naq 0101;air_quality;Chợ Đầm;nha-trang;22366;12,2;109,1\r\naq-0102;air_quality;Hòn Chồng;nha-trang;22366;109,2060;12,2725\r\n'
    await p.locator('input[type=file]').setInputFiles({ name: 'thiet-bi.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) })
    await p.getByText('2 trong 3 dòng có lỗi. Chưa ghi gì.').waitFor()
    expect(await p.getByRole('row', { name: /3 Mã thiết bị/ }).count()).toBe(1)
    await p.getByText('có phải là 12,2725; 109,206?').waitFor()
    expect(await p.getByText('Có phải:').count()).toBe(0)
    await p.getByRole('button', { name: 'Đảo lại tọa độ của 1 dòng' }).click()
    await p.getByText('1 trong 3 dòng có lỗi. Chưa ghi gì.').waitFor()
    await p.getByRole('button', { name: 'Nhập 2 dòng đúng, bỏ 1 dòng lỗi' }).click()
    await p.getByText('Đã nhập 2 dòng; 1 dòng lỗi không được nhập.').waitFor()
  })

  it('names the columns that an import lacks, once', async () => {
    await start()
    const p = await visit('desktop', '/import')
    const file = (csv: string) => p.locator('input[type=file]').setInputFiles({ name: 'thieu.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) })
    await file('Mã thiết bị;Tên điểm đo\r\naq-1;Chợ Mới\r\naq-2;Chợ Đầm\r\n')
    await p.getByText('Tệp thiếu cột bắt buộc: Loại đo, Địa phương, Phường, xã, Vĩ độ, Kinh độ.').waitFor()
    expect(await p.getByRole('table').count()).toBe(0)
    await file('foo;bar\r\n1;2\r\n')
    await p.getByText('Không nhận ra cột nào; dòng đầu phải là tên cột.').waitFor()
  })

  it('comes back from the office’s log-in with what went wrong, and goes where one wanted', async () => {
    await start('')
    server.state.oidc = true
    const p = await visit('phone', '/login?error=oidc_without_role&next=%2Fsilence')
    await p.getByText('Tài khoản cơ quan của bạn chưa được cấp quyền').waitFor()
    expect(await p.getByRole('link', { name: 'Đăng nhập bằng tài khoản cơ quan' }).getAttribute('href')).toBe('/auth/oidc/start?next=%2Fsilence')
    await p.getByLabel('Tên đăng nhập').fill('viewer')
    await p.getByLabel('Mật khẩu', { exact: true }).fill('viewer')
    await p.getByRole('button', { name: 'Đăng nhập', exact: true }).click()
    await p.getByRole('heading', { name: 'Mất tín hiệu', level: 1 }).waitFor()
    expect(new URL(p.url()).pathname).toBe('/silence')
  })

  it('leads from a heard device to its registration', async () => {
    await start()
    const p = await visit('desktop', '/heard')
    await p.getByText('<script>alert(1)</script>').waitFor()
    await p.getByRole('link', { name: 'Đăng ký aq-9001' }).click()
    await p.getByLabel('Mã thiết bị').waitFor()
    await expect.poll(() => p.getByLabel('Mã thiết bị').inputValue()).toBe('aq-9001')
    expect(await p.getByLabel('Chất lượng không khí').isChecked()).toBe(true)
  })

  it('shows topics that lead nowhere, and what was most likely meant', async () => {
    await start()
    for (const size of ['phone', 'desktop'] as const) {
      const p = await visit(size, '/heard')
      const card = p.getByRole('listitem').filter({ hasText: 'kh/Nha-Trang/air_quality/aq-0001' })
      await card.getByText('Sai chữ hoa, chữ thường.').waitFor()
      await card.getByText('kh/nha-trang/air_quality/aq-0001', { exact: true }).waitFor()
      await card.getByText('đã đăng ký').waitFor()
      await p.getByText('<script>alert(2)</script>').waitFor()
      await p.getByText('Hiện có: ').waitFor()
      await accessible(p)
      if (process.env.PICTURES) await p.screenshot({ path: `${process.env.PICTURES}/heard-${size}.png`, fullPage: true })
      await p.getByLabel('Tìm kiếm').fill('hue')
      await card.waitFor({ state: 'detached' })
    }
  })

  it('tells what became of the messages of each locality', async () => {
    await start()
    for (const size of ['phone', 'desktop'] as const) {
      const p = await visit(size, '/ledger')
      const table = p.getByRole('region', { name: 'Theo địa phương' })
      await table.getByRole('row', { name: /Cam Lâm.*\b0\b/ }).waitFor()
      await table.getByText('Không thuộc địa phương nào').waitFor()
      await accessible(p)
      if (process.env.PICTURES) await p.screenshot({ path: `${process.env.PICTURES}/ledger-${size}.png`, fullPage: true })
    }
  })

  it('speaks English at a switch', async () => {
    await start()
    const p = await visit('desktop', '/ledger')
    await p.getByText('Cân bằng: không mất bản tin nào').waitFor()
    await p.getByRole('button', { name: 'English' }).click()
    await p.getByText('Balanced: not one message lost').waitFor()
    expect(await p.locator('html').getAttribute('lang')).toBe('en')
    await p.reload()
    await p.getByText('Balanced: not one message lost').waitFor()
  })

  it('tells an acknowledged loss from one of which nobody knows', async () => {
    await start('viewer')
    const { lost } = (server as any).city
    Object.assign(lost, { missing: 15, unsettled: 3, settlements: [
      { at: '2026-11-28T08:00:00Z', who: 'lan', why: 'đĩa hỏng', rule: 'messages-lost', what: 'messages', gateway: 'nha-trang', epoch: 'A', lost: 12 },
      { at: '2026-11-28T09:00:00Z', rule: 'messages-lost', what: 'messages', gateway: 'nha-trang', epoch: 'A', lost: -2 }] })
    const p = await visit('phone', '/ledger')
    await p.getByText('Không cân bằng').waitFor()
    await p.getByText('Thiếu 3', { exact: true }).waitFor()
    const settled = p.getByRole('region', { name: 'Mất mát đã xác nhận' })
    expect((await settled.getByRole('listitem').allInnerTexts()).map((s: string) => s.replace(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/^Cổng nha-trang: tìm lại được 2 bản tin đến .*16:00/),
      expect.stringMatching(/^Cổng nha-trang: thiếu 12 bản tin đến .*15:00.*, lan xác nhận: đĩa hỏng$/),
    ])
    lost.unsettled = 0
    await p.getByText('Cân bằng, trừ phần mất mát đã xác nhận').waitFor()
  })

  it('tells what brokers of others have dropped, and where that is not known', async () => {
    await start('viewer')
    const side = (gateway: string, broker: object) => ({ gateway, door: null, waiting: null, door_lost: 0, journal_lost: 0, broker: { restarts: 1, sessions_lost: 2, ...broker } })
    Object.assign((server as any).city.lost, { sides: [
      side('nha-trang', { name: 'mosquitto version 2.0.11', dropped: 4000, dropped_since: '2026-11-28T08:00:00Z' }), side('cam-ranh', { dropped: null, problem: 'it tells nothing' })] })
    const p = await visit('phone', '/ledger')
    const rows = p.getByRole('region', { name: 'Máy chủ MQTT bên ngoài' }).getByRole('row')
    await rows.getByText('mosquitto version 2.0.11').waitFor()
    expect((await rows.allInnerTexts()).map((s: string) => s.replace(/\s+/g, ' ')).filter((s: string) => s.includes('4.000') || /cam-ranh.*không biết được/.test(s))).toHaveLength(2)
  })

  it('hides from a viewer what only others may do', async () => {
    await start('viewer')
    const p = await visit('desktop', '/sites/thap-tram-huong')
    await p.getByRole('heading', { name: 'Thiết bị tại điểm' }).waitFor()
    expect(await p.getByRole('button', { name: 'Bảo trì' }).count()).toBe(0)
    expect(await p.getByRole('link', { name: 'Nhập tệp' }).count()).toBe(0)
  })
})

it('registers a device with the keyboard alone', async () => {
  await start('field')
  const p = await visit('desktop', '/register')
  await p.getByLabel('Mã thiết bị').waitFor()
  const tabTo = async (name: RegExp) => {
    for (let i = 0; i < 60; i++) {
      await p.keyboard.press('Tab')
      const label = await p.evaluate(() => {
        const e = document.activeElement as HTMLInputElement
        return [e.getAttribute('aria-label'), e.labels?.[0]?.textContent, e.textContent].filter(Boolean).join(' ')
      })
      if (name.test(label)) return
    }
    throw new Error(`no way to ${name} by Tab`)
  }
  await tabTo(/Tới nội dung chính/)
  await p.keyboard.press('Enter')
  await tabTo(/Mã thiết bị/)
  await p.keyboard.type('aq-0042')
  await tabTo(/Chất lượng không khí/)
  await p.keyboard.press('Space')
  await p.keyboard.press('Enter')
  await tabTo(/Tọa độ/)
  await p.keyboard.type('12,2588; 109,1985')
  await p.keyboard.press('Enter')
  await tabTo(/Cầu Trần Phú/)
  await p.keyboard.press('Space')
  await tabTo(/Lắp cạnh thiết bị khác cùng loại/)
  await p.keyboard.press('Space')
  await tabTo(/Tiếp tục/)
  await p.keyboard.press('Enter')
  await tabTo(/^Đăng ký$/)
  await p.keyboard.press('Enter')
  await p.getByText('Đã nhận dữ liệu').waitFor({ timeout: 20_000 })
})

const paths = ['/', '/sites/thap-tram-huong', '/register', '/alarms', '/silence', '/heard', '/quarantine', '/ledger', '/import', '/labels', '/export', '/journal', '/journal?of=access', '/people', '/tokens', '/account', '/nowhere']

/** The page has all that it shows: no skeleton is left, and it is painted. */
async function settled(p: Page) {
  await p.waitForFunction(() => document.querySelector('h1') && !document.querySelector('.skeleton'))
  await p.evaluate(() => document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))))
}

const smallTargets = () =>
  [...document.querySelectorAll('button, a.button, nav a, select, input:not([type=checkbox], [type=radio], [type=file])')]
    .filter((e) => (e as HTMLElement).checkVisibility() && !e.closest('.maplibregl-map'))
    .filter((e) => e.getBoundingClientRect().height < 43.5)
    .map((e) => e.outerHTML.slice(0, 120))

describe.each(['phone', 'desktop'] as const)('on a %s', (size) => {
  it.each(['dark', 'light'])('has no serious finding of axe, nothing too wide and no target too small, %s', async (theme) => {
    await start('admin')
    const p = await visit(size, '/', { theme })
    for (const path of [...paths, 'log-in']) {
      if (path === 'log-in') server.state.user = ''
      await p.goto(server.url + (path === 'log-in' ? '/' : path))
      await settled(p)
      await accessible(p, path)
      if (path !== 'log-in') expect(await p.evaluate(smallTargets), `${path}: too small for a thumb`).toEqual([])
    }
  })
})
