// What browser tests and screenshots share: Debian's Chromium, headless, and
// contexts the size of a phone, a desk and a wall.

import { chromium } from 'playwright-core'

export const sizes = {
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  desktop: { viewport: { width: 1440, height: 900 } },
  wall: { viewport: { width: 3840, height: 2160 } },
}

/** Its camera shows a film (Y4M), or Chromium's own test picture. */
export function launch({ camera } = {}) {
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--enable-unsafe-swiftshader', '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream']
  if (camera) args.push(`--use-file-for-fake-video-capture=${camera}`)
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args })
}

/** A page that fails its test on any error, refused resource or foreign request. */
export async function open(browser, size, url, { language = 'vi', theme = 'dark', ...more } = {}) {
  const context = await browser.newContext({ ...sizes[size], locale: 'vi-VN', timezoneId: 'Europe/Lisbon', geolocation: { latitude: 12.2588, longitude: 109.1985, accuracy: 6 }, permissions: ['geolocation', 'camera'], ...more })
  await context.addInitScript(
    ([l, t]) => {
      localStorage.setItem('haidang-language', localStorage.getItem('haidang-language') ?? l)
      localStorage.setItem('haidang-theme', t)
    },
    [language, theme],
  )
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (e) => faults.push(String(e)))
  page.on('console', (m) => {
    if (m.type() === 'error' && !/ERR_INTERNET_DISCONNECTED|ERR_EMPTY_RESPONSE|ERR_CONNECTION|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_SOCKET_NOT_CONNECTED|ERR_NETWORK_CHANGED|status of (4\d\d|503)/.test(m.text())) faults.push(m.text())
  })
  page.on('request', (r) => {
    if (!r.url().startsWith(url) && !/^(data|blob):/.test(r.url())) faults.push(`request beyond the server: ${r.url()}`)
  })
  return { context, page, faults }
}
