// What a label's QR says. Labels carry a registration link; older ones and those
// of manufacturers carry a bare number.

export interface Scanned {
  device: string
  site?: string
}

/** The rule of the server: 1 to 64 of these characters. */
export const ID = /^[A-Za-z0-9._:-]{1,64}$/

export function readLabel(text: string): Scanned | undefined {
  const t = text.trim()
  if (ID.test(t) && !/^https?:/i.test(t)) return { device: t }
  try {
    const url = new URL(t)
    // The secret, if there is one, is in the fragment: it is the device's, and
    // nothing here may read, keep or send it.
    const device = url.searchParams.get('device') ?? url.searchParams.get('d') ?? lastSegment(url, 'register', 'r', 'd')
    const site = url.searchParams.get('site') ?? undefined
    if (device && ID.test(device)) return { device, site: site && ID.test(site) ? site : undefined }
  } catch {
    // not a link
  }
  return undefined
}

function lastSegment(url: URL, ...after: string[]): string | undefined {
  const parts = url.pathname.split('/').filter(Boolean)
  return parts.length === 2 && after.includes(parts[0]) ? decodeURIComponent(parts[1]) : undefined
}
