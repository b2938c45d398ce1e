// Makes a browser's screenshot small enough to be kept in a repository: scaled,
// with a palette of 256 colours, as PNG.

import { crc32, deflateSync } from 'node:zlib'

/** The browser decodes and scales; page may be any page. */
export async function shrink(page, png, widest) {
  const { width, height, base64 } = await page.evaluate(
    async ([data, widest]) => {
      const image = await createImageBitmap(new Blob([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))]))
      const scale = Math.min(1, widest / image.width)
      const canvas = new OffscreenCanvas(Math.round(image.width * scale), Math.round(image.height * scale))
      const g = canvas.getContext('2d')
      g.imageSmoothingQuality = 'high'
      g.drawImage(image, 0, 0, canvas.width, canvas.height)
      const { data: rgba } = g.getImageData(0, 0, canvas.width, canvas.height)
      let text = ''
      for (let i = 0; i < rgba.length; i += 32768) text += String.fromCharCode(...rgba.subarray(i, i + 32768))
      return { width: canvas.width, height: canvas.height, base64: btoa(text) }
    },
    [png.toString('base64'), widest],
  )
  return indexed(width, height, Buffer.from(base64, 'base64'))
}

// Colours are told apart by their five upper bits; the most frequent make the
// palette, which suits flat pages better than a finer method would.
function indexed(width, height, rgba) {
  const cells = new Map()
  const key = (i) => ((rgba[i] >> 3) << 10) | ((rgba[i + 1] >> 3) << 5) | (rgba[i + 2] >> 3)
  for (let i = 0; i < rgba.length; i += 4) {
    const k = key(i)
    let c = cells.get(k)
    if (!c) cells.set(k, (c = { n: 0, sum: [0, 0, 0] }))
    c.n++
    for (let j = 0; j < 3; j++) c.sum[j] += rgba[i + j]
  }
  const colours = [...cells.values()].sort((a, b) => b.n - a.n).slice(0, 256).map((c) => c.sum.map((s) => Math.round(s / c.n)))
  const nearest = new Map()
  const find = (i) => {
    const k = key(i)
    if (nearest.has(k)) return nearest.get(k)
    const distance = ([r, g, b]) => (r - rgba[i]) ** 2 + (g - rgba[i + 1]) ** 2 + (b - rgba[i + 2]) ** 2
    const at = colours.reduce((best, c, j) => (distance(c) < distance(colours[best]) ? j : best), 0)
    nearest.set(k, at)
    return at
  }
  const rows = Buffer.alloc((width + 1) * height)
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = find(4 * (y * width + x))
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width)
  header.writeUInt32BE(height, 4)
  header.set([8, 3, 0, 0, 0], 8) // eight bits, a palette
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', header), chunk('PLTE', Buffer.from(colours.flat())), chunk('IDAT', deflateSync(rows, { level: 9 })), chunk('IEND', Buffer.alloc(0))])
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), out.length - 4)
  return out
}
