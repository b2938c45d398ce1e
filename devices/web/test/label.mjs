// A label of the server's, held before a camera: the QR code of a label sheet,
// as the video that Chromium shows instead of a camera's.

import jsQR from 'jsqr'
import { writeFileSync } from 'node:fs'
import { inflateSync } from 'node:zlib'

const WIDTH = 640
const HEIGHT = 480

/** The first label's QR code: the black rectangles that the sheet draws. */
function picture(pdf) {
  const drawn = pages(pdf).flatMap((page) => [...page.matchAll(/(-?[\d.]+) (-?[\d.]+) (-?[\d.]+) (-?[\d.]+) re f/g)].map((m) => m.slice(1).map(Number)))
  if (!drawn.length) throw new Error('the label sheet has no QR code')
  const left = Math.min(...drawn.map(([x]) => x))
  const top = Math.max(...drawn.map(([, y]) => y))
  const scale = 380 / (Math.max(...drawn.map(([x, , w]) => x + w)) - left)
  const grey = Buffer.alloc(WIDTH * HEIGHT, 235)
  for (const [x, y, w, h] of drawn) {
    const [x0, x1] = [x - left, x + w - left].map((v) => Math.round(v * scale) + 130)
    const [y0, y1] = [top - y, top - y + Math.abs(h)].map((v) => Math.round(v * scale) + 50)
    for (let j = y0; j < y1; j++) grey.fill(16, j * WIDTH + x0, j * WIDTH + x1)
  }
  return grey
}

function pages(pdf) {
  const out = []
  for (let at = pdf.indexOf('stream\n'); at >= 0; at = pdf.indexOf('stream\n', at + 1)) {
    if (pdf.subarray(at - 3, at).toString() === 'end') continue
    try {
      out.push(inflateSync(pdf.subarray(at + 7)).toString('latin1'))
    } catch {
      // a font
    }
  }
  return out
}

/** Writes the label as a video and returns what its QR code says. */
export function film(pdf, file) {
  const grey = picture(pdf)
  const chroma = Buffer.alloc((WIDTH * HEIGHT) / 2, 128)
  writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\nFRAME\n`), grey, chroma]))
  const rgba = new Uint8ClampedArray(WIDTH * HEIGHT * 4)
  grey.forEach((v, i) => rgba.fill(v, 4 * i, 4 * i + 4))
  return jsQR(rgba, WIDTH, HEIGHT)?.data
}
