// The pages of the office in a real browser: people, tokens, devices' secrets,
// labels, exports, journals, photos and the ledger's history.

import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { expect, it } from 'vitest'
// @ts-expect-error: the development server is plain JavaScript
import { serve } from '../dev/server.mjs'
import { accessible, Visits, type Size } from './visits'

interface Server {
  url: string
  city: any
  close(): Promise<void>
}

let server: Server
const visits = new Visits(() => server.close()).ofFile()

async function visit(user: string, size: Size, path: string, options: object = {}): Promise<Page> {
  server = (await serve({ loggedIn: user })) as Server
  return visits.open(size, server.url, path, options)
}
const dialog = (p: Page) => p.getByRole('dialog')
const click = (p: Page, name: string | RegExp) => p.getByRole('button', { name, exact: typeof name === 'string' }).first().click()

it('invites by a one-time link, shown once', async () => {
  const p = await visit('admin', 'phone', '/people')
  await click(p, 'Mời người dùng')
  await p.getByRole('radio', { name: /Hiện trường/ }).check()
  await p.getByRole('checkbox', { name: 'Cam Ranh' }).check()
  await accessible(p)
  await click(p, 'Tạo liên kết')
  const link = await p.getByLabel('Liên kết dùng một lần').inputValue()
  expect(link).toMatch(new RegExp(`^${server.url}/welcome#[\\w-]{40,}$`))
  await accessible(p)
  await click(p, 'Đã lưu, đóng lại')
  await dialog(p).waitFor({ state: 'detached' })
  expect(await p.content()).not.toContain(link.split('#')[1])
})

it('changes a role, refuses to lose the last administrator, and disables', async () => {
  const p = await visit('admin', 'desktop', '/people')
  await click(p, 'Sửa viewer')
  await p.getByRole('radio', { name: /Vận hành/ }).check()
  await click(p, 'Lưu')
  await p.getByText('Đã lưu tài khoản viewer.').waitFor()
  expect(server.city.access.accounts.find((a: { name: string }) => a.name === 'viewer').role).toBe('operator')

  await click(p, 'Sửa admin')
  await p.getByRole('checkbox', { name: /Khóa tài khoản/ }).check()
  await click(p, 'Lưu')
  await p.getByText('Đây là quản trị viên cuối cùng').waitFor()
  await click(p, 'Hủy')

  await click(p, 'Sửa field')
  await p.getByRole('checkbox', { name: /Khóa tài khoản/ }).check()
  await click(p, 'Lưu')
  await p.getByRole('row', { name: /Lê Văn Minh.*Khóa từ/ }).waitFor()
})

it('tells when somebody else changed the account meanwhile, and saves the second time', async () => {
  const p = await visit('admin', 'desktop', '/people')
  await click(p, 'Sửa operator')
  const account = server.city.access.accounts.find((a: { name: string }) => a.name === 'operator')
  Object.assign(account, { version: 7, role: 'viewer' })
  await p.getByLabel('Họ tên').fill('Trần Bảo')
  await click(p, 'Lưu')
  await p.getByText(/Có người vừa sửa tài khoản này/).waitFor()
  await click(p, 'Lưu')
  await p.getByText('Đã lưu tài khoản operator.').waitFor()
  expect(account).toMatchObject({ display: 'Trần Bảo', role: 'viewer' })
})

it('makes a link for a forgotten password', async () => {
  const p = await visit('admin', 'desktop', '/people')
  await click(p, 'Sửa field')
  await click(p, 'Đặt lại mật khẩu')
  await p.getByText('Gửi liên kết này cho field.').waitFor()
  expect(await p.getByLabel('Liên kết dùng một lần').inputValue()).toContain('/welcome#')
})

it('makes an API token within one’s role, shows it once, copies and revokes it', async () => {
  const p = await visit('operator', 'phone', '/tokens')
  await p.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await click(p, 'Tạo mã API')
  expect(await p.getByRole('radio', { name: /Vận hành/ }).count()).toBe(1)
  expect(await p.getByRole('radio', { name: /Quản trị/ }).count()).toBe(0)
  await p.getByLabel('Dùng cho chương trình nào').fill('Bảng điện tử')
  await p.getByLabel('Thời hạn').selectOption({ label: '30 ngày' })
  await click(p, 'Tạo mã')
  const secret = await p.getByLabel('Bảng điện tử', { exact: true }).inputValue()
  expect(secret).toMatch(/^hd_/)
  await click(p, 'Sao chép Bảng điện tử')
  await p.getByRole('button', { name: /Đã sao chép/ }).waitFor()
  expect(await p.evaluate(() => navigator.clipboard.readText())).toBe(secret)
  await click(p, 'Đã lưu, đóng lại')
  await click(p, 'Thu hồi Bảng điện tử')
  await dialog(p).getByRole('button', { name: 'Thu hồi' }).click()
  await p.getByText(/Mã đã hết hạn hoặc thu hồi \(2\)/).waitFor()
  expect(server.city.access.tokens.find((k: { name: string }) => k.name === 'Bảng điện tử')).toMatchObject({ scopes: ['read'], revoked: expect.any(String) })
})

it('issues a device’s secret once, with a QR code that says it, and revokes it', async () => {
  const p = await visit('field', 'phone', '/sites/thap-tram-huong')
  await click(p, 'Mật khẩu')
  await p.getByText('Thiết bị chưa có mật khẩu.').waitFor()
  await click(p, 'Cấp mật khẩu')
  const secret = await dialog(p).getByLabel('Mật khẩu', { exact: true }).inputValue()
  expect(secret).toMatch(/^[0-9a-f]{32}$/)
  await dialog(p).locator('svg[role=img] path').waitFor()
  await accessible(p)
  expect(await readQR(p)).toBe(`${server.url}/register?device=aq-0001#secret=${secret}`)
  await click(p, 'Đã lưu, đóng lại')
  expect(await p.content()).not.toContain(secret)

  await click(p, 'Mật khẩu')
  await p.getByLabel('Mật khẩu cũ còn dùng được').selectOption('24')
  await click(p, 'Thu hồi')
  await p.getByLabel(/Lý do/).fill('thất lạc')
  await click(p, 'Thu hồi')
  await p.getByText('Đã thu hồi mật khẩu.').waitFor()
  expect(server.city.access.credentials.get('aq-0001')[0].revokedBy).toBe('field')
})

/** Reads the QR code on the page as a phone would: as a picture. */
async function readQR(p: Page): Promise<string> {
  const { default: jsQR } = await import('jsqr')
  const { data, size } = await p.evaluate(async () => {
    const svg = document.querySelector('dialog svg[role=img]') as SVGSVGElement
    const copy = svg.cloneNode(true) as SVGSVGElement
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
    copy.setAttribute('width', '400')
    copy.setAttribute('height', '400')
    const image = new Image()
    image.src = 'data:image/svg+xml,' + encodeURIComponent(copy.outerHTML)
    await image.decode()
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 400
    const c = canvas.getContext('2d')!
    c.fillStyle = '#fff'
    c.fillRect(0, 0, 400, 400)
    c.drawImage(image, 0, 0, 400, 400)
    return { data: [...c.getImageData(0, 0, 400, 400).data], size: 400 }
  })
  return (jsQR as unknown as { default?: typeof jsQR }).default?.(Uint8ClampedArray.from(data), size, size)?.data ?? jsQR(Uint8ClampedArray.from(data), size, size)?.data ?? ''
}

it('prints labels of chosen devices, and asks before it issues secrets', async () => {
  const p = await visit('operator', 'desktop', '/labels')
  await p.getByLabel(/Tìm theo mã/).fill('aq')
  await p.getByText(/Đã chọn 7 trong 7 thiết bị/).waitFor()
  await p.getByRole('checkbox', { name: /aq-0004/ }).uncheck()
  await p.getByLabel('Số nhãn đã dùng trên tờ đầu').fill('20')
  await p.getByText('2 tờ').waitFor()
  const [file] = await Promise.all([p.waitForEvent('download'), click(p, /Tạo tệp PDF \(6 nhãn\)/)])
  expect(file.suggestedFilename()).toBe('haidang-labels.pdf')
  expect(server.city.printed).toMatchObject({ skip: 20 })
  expect(server.city.printed.devices).toHaveLength(6)
  expect(server.city.printed.devices).not.toContain('aq-0004')

  await p.getByRole('checkbox', { name: /Cấp mật khẩu mới/ }).check()
  await click(p, /Tạo tệp PDF/)
  await dialog(p).getByText(/ngừng hoạt động ngay/).waitFor()
  expect(server.city.access.credentials.size).toBe(0)
  await Promise.all([p.waitForEvent('download'), dialog(p).getByRole('button', { name: 'Cấp mật khẩu mới' }).click()])
  expect(server.city.printed.issue_secrets).toBe(true)
})

it('exports what was filtered, in each format', async () => {
  const p = await visit('viewer', 'phone', '/export')
  await p.getByText('59 mục khớp').waitFor()
  await p.getByLabel('Loại đo').selectOption('air_quality')
  await p.getByText('7 mục khớp').waitFor()
  const [csv] = await Promise.all([p.waitForEvent('download'), click(p, 'Tải xuống')])
  expect(csv.suggestedFilename()).toMatch(/^haidang-devices-.*\.csv$/)
  expect(readFileSync(await csv.path(), 'utf8').trim().split('\r\n')).toHaveLength(7)
  await p.getByRole('radio', { name: /GeoJSON/ }).check()
  expect(await p.getByRole('radio', { name: /^Điểm đo/ }).isChecked()).toBe(true)
  const [map] = await Promise.all([p.waitForEvent('download'), click(p, 'Tải xuống')])
  expect(map.suggestedFilename()).toMatch(/^haidang-sites-.*\.geojson$/)
})

it('shows the journal of changes to all, and that of access to administrators', async () => {
  const p = await visit('admin', 'desktop', '/journal')
  await p.getByLabel('Mã', { exact: true }).fill('3')
  await p.getByLabel('Đối tượng').selectOption('installation')
  await expect.poll(() => p.getByRole('listitem').filter({ hasText: 'Lắp đặt' }).count()).toBe(1)
  expect(new URL(p.url()).search).toBe('?entity=installation&id=3')

  await p.getByRole('link', { name: 'Truy cập' }).click()
  await p.locator('main li').getByText('Từ chối thiết bị kết nối').first().waitFor()
  await p.getByLabel('Hành động').selectOption('topic_refused')
  await p.getByText('không phải chủ đề của thiết bị').first().waitFor()
  await expect.poll(() => p.getByRole('listitem').filter({ hasText: 'Đăng nhập' }).count()).toBe(0)
  await p.getByRole('link', { name: 'Bỏ lọc' }).click()
  await p.getByRole('button', { name: 'Xem thêm' }).click()
  await expect.poll(() => p.locator('main ol > li').count()).toBe(70)
})

it('keeps from others what only administrators may see', async () => {
  const p = await visit('operator', 'desktop', '/journal?of=access')
  await p.getByRole('heading', { name: 'Nhật ký' }).waitFor()
  expect(await p.getByText('Từ chối thiết bị kết nối').count()).toBe(0)
  expect(await p.getByRole('link', { name: 'Người dùng' }).count()).toBe(0)
  await p.goto(server.url + '/people')
  await p.getByText('Cần quyền quản trị.').waitFor()
})

it('shows an installation’s photos, adds one later and deletes it', async () => {
  const p = await visit('operator', 'phone', '/sites/thap-tram-huong')
  await p.getByRole('button', { name: /^Ảnh aq-0001/ }).first().click()
  await expect.poll(() => dialog(p).locator('img').evaluate((i: HTMLImageElement) => i.naturalWidth)).toBe(512)
  await accessible(p)
  await p.getByRole('button', { name: 'Đóng' }).click()

  const picture = readFileSync(new URL('../public/icon-192.png', import.meta.url))
  await p.locator('li', { hasText: 'aq-0001' }).locator('input[type=file]').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: picture })
  await expect.poll(() => p.getByRole('button', { name: /^Ảnh aq-0001/ }).count()).toBe(2)
  expect(server.city.photos.at(-1)).toMatchObject({ installation: 1, type: 'image/jpeg', who: 'operator' })

  await p.locator('li', { hasText: 'aq-0001' }).locator('input[type=file]').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('no picture') })
  await p.getByText('Không đọc được ảnh này.').waitFor()

  await p.getByRole('button', { name: /^Ảnh aq-0001/ }).first().click()
  await click(p, 'Xóa ảnh')
  await p.getByText('Xóa hẳn ảnh này?').waitFor()
  await click(p, 'Xóa ảnh')
  await expect.poll(() => p.getByRole('button', { name: /^Ảnh aq-0001/ }).count()).toBe(1)
})

it('draws the ledger’s history, by period and gateway', async () => {
  const p = await visit('viewer', 'phone', '/ledger')
  await p.getByRole('heading', { name: 'Diễn biến' }).waitFor()
  await p.locator('.uplot canvas').waitFor()
  await p.getByText('Suốt khoảng này không thiếu bản tin nào.').waitFor()
  const whole = await p.locator('dl[aria-label="Trong khoảng này"] dd').first().textContent()
  await p.getByLabel('Cổng').selectOption('cam-ranh')
  await expect.poll(() => p.locator('dl[aria-label="Trong khoảng này"] dd').first().textContent()).not.toBe(whole)
  await p.getByRole('button', { name: '1 năm' }).click()
  await p.getByText('Bản tin nhận trong mỗi 24 giờ.').waitFor()
})

it('changes one’s own password', async () => {
  const p = await visit('field', 'phone', '/account')
  await p.getByLabel('Mật khẩu hiện tại').fill('wrong')
  await p.getByLabel('Mật khẩu mới').fill('một câu dài dễ nhớ')
  await click(p, 'Đổi mật khẩu')
  await p.getByText('Tên hoặc mật khẩu không đúng.').waitFor()
  await p.getByLabel('Mật khẩu hiện tại').fill('field')
  await p.getByLabel('Mật khẩu mới').fill('một câu dài dễ nhớ')
  await click(p, 'Đổi mật khẩu')
  await p.getByText('Đã đổi mật khẩu.').waitFor()
})

it('has every page of the role one tap away at 360 px', async () => {
  const p = await visit('admin', 'phone', '/')
  await click(p, 'Thêm')
  for (const name of ['Cách ly', 'Toàn vẹn dữ liệu', 'Thiết bị lạ', 'In nhãn', 'Nhập tệp', 'Xuất tệp', 'Nhật ký', 'Người dùng', 'Mã API']) {
    const box = await p.getByRole('navigation').getByRole('link', { name, exact: true }).boundingBox()
    expect(box?.height, name).toBeGreaterThanOrEqual(44)
  }
  await accessible(p)
  await p.getByRole('navigation').getByRole('link', { name: 'Người dùng' }).click()
  await p.getByRole('heading', { name: 'Người dùng' }).waitFor()
})

it('speaks English on the new pages too', async () => {
  const p = await visit('admin', 'desktop', '/people', { language: 'en' })
  await p.getByRole('button', { name: 'Invite' }).waitFor()
  for (const [path, title] of [['/tokens', 'API tokens'], ['/labels', 'Labels'], ['/export', 'Export'], ['/journal?of=access', 'Journal'], ['/account', 'My account']]) {
    await p.goto(server.url + path)
    await p.getByRole('heading', { name: title, level: 1 }).waitFor()
    const main = (await p.locator('main').innerText()).replace(/[A-ZĐ]\p{L}+ (Thị|Quốc|Văn) \p{L}+|“[^”]*”/gu, '')
    expect(main, path).not.toMatch(/Tất cả|Mật khẩu|thiết bị|Người/)
  }
})
