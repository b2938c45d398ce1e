// Takes the pictures in the boards' README from a running Grafana: the whole of
// each board as a person sees it, and its wall as it hangs.
//
//   node take.mjs http://127.0.0.1:3000 user:password OUT [UID …]
//
// It needs playwright-core, which the console's tests bring, and Chromium.
import { createRequire } from 'node:module';
import { mkdirSync } from 'node:fs';

const require = createRequire(new URL('../../devices/web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const [base, account, out, ...only] = process.argv.slice(2);
if (!out) {
  console.error('usage: node take.mjs GRAFANA USER:PASSWORD OUT [UID …]');
  process.exit(2);
}
mkdirSync(out, { recursive: true });
const [user, password] = account.split(':');
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const page = await browser.newPage({ viewport: { width: 1920, height: 1080 }, locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh' });
await page.request.post(`${base}/login`, { data: { user, password } });
const found = await (await page.request.get(`${base}/api/search?type=dash-db&limit=500`)).json();
const uids = only.length ? only : found.map((b) => b.uid).filter((u) => u.startsWith('haidang-'));

let bad = 0;
for (const uid of uids) {
  const { dashboard } = await (await page.request.get(`${base}/api/dashboards/uid/${uid}`)).json();
  // A row of the grid is 30 pixels and 8 between, under a head in a board that is no wall.
  const rows = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
  const wall = uid.includes('-wall');
  const height = wall ? 1080 : rows * 38 + 140;
  await page.setViewportSize({ width: 1920, height });
  await page.goto(`${base}/d/${uid}/x?kiosk${wall ? '' : '=tv'}`, { waitUntil: 'load' });
  await page.locator('.react-grid-item').first().waitFor({ timeout: 60_000 });
  await settled(page);
  await page.screenshot({ path: `${out}/${uid.replace('haidang-', '')}.png` });
  const empty = await page.locator('text=/No data|Không có dữ liệu/').count();
  const errors = await page.locator('[aria-label*="Panel header error"], .panel-info-corner--error').count();
  const overflow = await page.evaluate(() => {
    const view = document.querySelector('.scrollbar-view');
    return view ? view.scrollHeight - view.clientHeight : 0;
  });
  console.log(uid, `${rows} rows`, `${empty} empty`, `${errors} errors`, wall ? `${overflow} px below the screen` : '');
  bad += errors;
}
await browser.close();
process.exit(bad ? 1 : 0);

// settled waits until nothing has been loading for two looks at the page.
async function settled(page) {
  const deadline = Date.now() + 60_000;
  let quiet = 0;
  while (quiet < 3 && Date.now() < deadline) {
    await page.waitForTimeout(700);
    const busy = await page.locator('[aria-label="Panel loading bar"], .panel-loading, [aria-label="Cancel query"]').count();
    quiet = busy ? 0 : quiet + 1;
  }
}
