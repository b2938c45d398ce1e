// Set-up that all browser tests share: pages that are closed and looked at after
// each test, and what every page is held to.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
// @ts-expect-error: shared with the screenshots, plain JavaScript
import { launch, open } from './browser.mjs'

export type Size = 'phone' | 'desktop'

/** Pages of one browser. What went wrong in any of them fails the test, unless it
 *  has failed already. */
export class Visits {
  browser!: Browser
  readonly opened: { context: BrowserContext; faults: string[] }[] = []

  /** Closes a test's pages, then does what is to be done after them. */
  constructor(after?: () => Promise<void>) {
    afterEach(async () => {
      for (const { context } of this.opened) await context.close()
      await after?.()
      expect(this.opened.splice(0).flatMap((o) => o.faults)).toEqual([])
    })
  }

  /** Has one browser for all tests of a file; others launch one with a film. */
  ofFile(): this {
    beforeAll(async () => {
      this.browser = await launch()
    })
    afterAll(() => this.browser.close())
    return this
  }

  async open(size: Size, url: string, path: string, options: object = {}, patience?: number): Promise<Page> {
    const o = await open(this.browser, size, url, options)
    this.opened.push(o)
    if (patience) o.context.setDefaultTimeout(patience)
    await o.page.goto(url + path)
    return o.page
  }
}

// Deadlines only end what hangs: machines that run tests are busy with others.
export const PATIENCE = 60_000

interface Visit {
  as?: string
  url?: string
  language?: string
  theme?: string
}

/** Pages of a real city, as its people see them. */
export class Town extends Visits {
  /** See city.mjs. */
  city: any
  readonly people: Record<string, any> = {}

  visit = (size: Size, path: string, { as = 'operator', url = this.city.url, ...more }: Visit = {}): Promise<Page> =>
    this.open(size, url, path, { storageState: this.people[as]?.storageState, ...more }, PATIENCE)
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Nothing serious in the page as it stands, an open dialog included, and nothing too wide. */
export async function accessible(p: Page, what = p.url()) {
  // In the page's own world, where its content security policy would refuse a script tag.
  await p.evaluate(axe)
  const found = await p.evaluate(async () => {
    const options = { resultTypes: ['violations'] }
    const r = await (window as unknown as { axe: { run(o: object): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }> } }).axe.run(options)
    return r.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`)
  })
  expect(found, what).toEqual([])
  expect(await p.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), `${what} too wide`).toBe(0)
}

/** What the phone says, see browser.mjs. */
export const HERE = { lat: 12.2588, lon: 109.1985, accuracy: 6 }
export const input = (p: Page, label: string) => p.getByLabel(label).inputValue()
export const air = (device: string) => `kh/nha-trang/air_quality/${device}`

/** Marks the document, so that [same] can tell that it was not loaded again. */
export const mark = (p: Page) => p.evaluate(() => void ((window as any).marked = true))
export const same = (p: Page) => p.evaluate(() => (window as any).marked === true)

export const next = (p: Page) => p.getByRole('button', { name: 'Tiếp tục' }).click()
export const submit = (p: Page) => p.locator('form').getByRole('button', { name: 'Đăng ký', exact: true }).click()

/** Waits until the service worker has the whole console. */
export const installed = (p: Page) => p.evaluate(async () => void (await navigator.serviceWorker.ready))

/** Takes the phone's position, and goes on. */
export async function position(p: Page) {
  await p.getByRole('button', { name: 'Lấy vị trí điện thoại' }).click()
  await p.getByText('Sai số ± 6 m').waitFor()
  await next(p)
}

export async function newSite(p: Page, name: string) {
  await p.getByLabel('Điểm đo mới').check()
  await p.getByLabel('Tên điểm đo').fill(name)
  await next(p)
}

/** Fills the four steps up to the last button. */
export async function fill(p: Page, device: string, site: string, kind = 'Chất lượng không khí') {
  await p.getByLabel('Mã thiết bị').fill(device)
  await p.getByLabel(kind).check()
  await next(p)
  await position(p)
  await newSite(p, site)
}
