// A site's limits in a real browser: seen by all, changed by operators.

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
const pictures = process.env.HAIDANG_PICTURES

async function visit(user: string, size: Size, options: object = {}): Promise<Page> {
  server = (await serve({ loggedIn: user })) as Server
  return visits.open(size, server.url, '/sites/dong-trang', options)
}
const section = (p: Page) => p.locator('section[aria-labelledby=limits]')
const click = (p: Page, name: string) => p.getByRole('button', { name, exact: true }).first().click()
async function picture(p: Page, name: string) {
  if (pictures) await p.screenshot({ path: `${pictures}/${name}.png`, fullPage: !name.includes('dialog') })
}

it('shows what the limits are, what they rest on, and what is over', async () => {
  const p = await visit('viewer', 'desktop')
  await section(p).getByText('Báo động III').first().waitFor()
  const text = await section(p).innerText()
  for (const part of ['≥ 8 m', '≥ 9,5 m', '> 13,42 m', 'Vượt lũ lịch sử 2009', 'Quy định: Quyết định 05/2020/QĐ-TTg', 'Cao độ gốc: của trạm', 'Đã hết hiệu lực (1)']) expect(text).toContain(part)
  expect(await section(p).getByRole('button').count()).toBe(0)
  await section(p).getByText('Đã hết hiệu lực (1)').click()
  await section(p).getByText('đến 01/05/2020').waitFor()
  await accessible(p)
  await picture(p, 'limits-desktop')
})

it('sets the levels at once, and says which is wrong', async () => {
  const p = await visit('operator', 'phone')
  await click(p, 'Đặt mức báo động')
  expect(await p.getByLabel('Báo động II (m)').inputValue()).toBe('9,5')
  await p.getByLabel('Báo động II (m)').fill('11,5')
  await accessible(p)
  await picture(p, 'limits-levels-dialog-phone')
  await click(p, 'Lưu')
  await p.getByText('Báo động II (11,5) phải thấp hơn Báo động III (11)').waitFor()
  await p.getByLabel('Báo động II (m)').fill('mười')
  await click(p, 'Lưu')
  await p.getByText('Báo động II: “mười”').waitFor()
  await p.getByLabel('Báo động II (m)').fill('9,75')
  await click(p, 'Lưu')
  await section(p).getByText('≥ 9,75 m').waitFor()
  const l = server.city.limits.find((x: any) => x.code === 'bd2')
  expect([l.value, l.basis]).toEqual([9.75, 'law']) // what was not said keeps its source
  await accessible(p)
  await picture(p, 'limits-phone')
})

it('adds a limit of one’s own, changes and removes it', async () => {
  const p = await visit('operator', 'desktop', { locale: 'en' })
  await click(p, 'Thêm ngưỡng')
  await p.getByLabel('Mã (a–z, 0–9, _)').fill('gate')
  await p.getByLabel('Tên ngưỡng').fill('Đóng cống')
  await p.getByLabel('Đại lượng').last().selectOption('water_level level')
  await p.getByLabel('Giá trị (m)').fill('7,25')
  await accessible(p)
  await picture(p, 'limits-own-dialog-desktop')
  await click(p, 'Lưu')
  await section(p).getByText('≥ 7,25 m').waitFor()
  await click(p, 'Sửa ngưỡng: Đóng cống')
  await p.getByLabel('Giá trị (m)').fill('7,5')
  await p.getByLabel('Hết hiệu lực ngày').fill('2099-01-01')
  await click(p, 'Lưu')
  await section(p).getByText('≥ 7,5 m').waitFor()
  await section(p).getByText('đến 01/01/2099').waitFor()
  await click(p, 'Sửa ngưỡng: Đóng cống')
  await p.getByRole('dialog').getByRole('button', { name: 'Xóa' }).click()
  await p.getByText('Coi như ngưỡng chưa từng có').waitFor()
  await p.getByRole('dialog').getByRole('button', { name: 'Xóa' }).click()
  await section(p).getByText('Đóng cống').waitFor({ state: 'detached' })
})
