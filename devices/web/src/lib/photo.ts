// Scales a photo down in the phone: coverage is bad where lamp posts stand, and
// what a photo has to show is where the device hangs.

const EDGE = 1280
/** Well under the server's limit for a request, base64 included. */
const LIMIT = 400_000

export async function shrink(file: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(file)
  try {
    for (let edge = EDGE, quality = 0.8; ; edge = Math.round(edge * 0.75), quality -= 0.1) {
      const scaled = await draw(bitmap, edge, Math.max(quality, 0.4))
      if (scaled.size <= LIMIT || edge < 400) return scaled
    }
  } finally {
    bitmap.close()
  }
}

// Drawing anew also leaves the camera's hidden data (position, owner) behind.
async function draw(bitmap: ImageBitmap, edge: number, quality: number): Promise<Blob> {
  const scale = Math.min(1, edge / Math.max(bitmap.width, bitmap.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  return new Promise((done, fail) =>
    canvas.toBlob((b) => (b ? done(b) : fail(new Error('the photo cannot be encoded'))), 'image/jpeg', quality),
  )
}

export async function base64(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer())
  let text = ''
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000))
  return btoa(text)
}
