// Takes the pictures in the boards' README from a running Grafana: the whole of
// each board as a person sees it, and its wall as it hangs.
//
//   node take.mjs http://127.0.0.1:3000 user:password OUT [UID …]
//
// It needs playwright-core, which the console's tests bring, and Chromium. It
// fails where a panel shows an error. PNG=1 writes them large, to look at.
import { createRequire } from 'node:module';
import { mkdirSync, writeFileSync } from 'node:fs';

const require = createRequire(new URL('../../devices/web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const [base, account, out, ...only] = process.argv.slice(2);
if (!out) {
  console.error('usage: node take.mjs GRAFANA USER:PASSWORD OUT [UID …]');
  process.exit(2);
}
// What is worth seeing is not always within the range that a board opens with.
const ranges = { air: 'now-6d', flood: 'now-5d' };
mkdirSync(out, { recursive: true });
const [user, password] = account.split(':');
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const page = await browser.newPage({ viewport: { width: 1920, height: 1080 }, locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh' });
const press = await browser.newPage();
await page.request.post(`${base}/login`, { data: { user, password } });
const found = await (await page.request.get(`${base}/api/search?type=dash-db&limit=500`)).json();
const uids = only.length ? only : found.map((b) => b.uid).filter((u) => u.startsWith('haidang-')).sort();

let bad = 0;
for (const uid of uids) {
  const { dashboard } = await (await page.request.get(`${base}/api/dashboards/uid/${uid}`)).json();
  // A row of the grid is 30 pixels and 8 between.
  const rows = Math.max(...dashboard.panels.map((p) => p.gridPos.y + p.gridPos.h));
  const wall = uid.includes('-wall');
  const range = ranges[uid.replace(/^haidang-|-wall|-en$/g, '')];
  await page.setViewportSize({ width: 1920, height: wall ? 1080 : rows * 38 + 130 });
  const query = [wall ? 'kiosk' : '', range && !wall ? `from=${range}&to=now` : ''].filter(Boolean).join('&');
  await page.goto(`${base}/d/${uid}/x?${query}`, { waitUntil: 'load' });
  await page.locator('.react-grid-item').first().waitFor({ timeout: 60_000 });
  await settled();
  const name = uid.replace('haidang-', '');
  const shot = await page.screenshot();
  if (process.env.PNG) writeFileSync(`${out}/${name}.png`, shot);
  else writeFileSync(`${out}/${name}.webp`, await pressed(shot));
  const errors = await page.locator('[aria-label*="Panel header error"], .panel-info-corner--error, [data-testid="data-testid Panel status error"]').count();
  const empty = await page.getByText(/^(No data|Không có dữ liệu)/).count();
  console.log(uid, `${rows} rows, ${errors} errors, ${empty} empty`);
  bad += errors + empty;
}
await browser.close();
process.exit(bad ? 1 : 0);

// settled waits until nothing has been loading for three looks at the page.
async function settled() {
  const deadline = Date.now() + 60_000;
  for (let quiet = 0; quiet < 3 && Date.now() < deadline; ) {
    await page.waitForTimeout(700);
    const busy = await page.locator('[aria-label="Panel loading bar"], .panel-loading, [aria-label="Cancel query"]').count();
    quiet = busy ? 0 : quiet + 1;
  }
}

// pressed makes a picture of modest size of a screenshot.
async function pressed(png) {
  const url = await press.evaluate(async (data) => {
    const image = new Image();
    image.src = `data:image/png;base64,${data}`;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = 1280;
    canvas.height = Math.round((image.height * 1280) / image.width);
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL('image/webp', 0.72);
  }, png.toString('base64'));
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64');
}
