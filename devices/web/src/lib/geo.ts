// What the phone must know of places by itself, where no server can be asked.

import type { Box, Localities, Locality, Position, Ward } from './api'
import { parseNumber } from './format'

export function holds(box: Box, p: Position): boolean {
  return box.west <= p.lon && p.lon <= box.east && box.south <= p.lat && p.lat <= box.north
}

/** Distance in metres on a sphere. */
export function distance(a: Position, b: Position): number {
  const rad = Math.PI / 180
  const h =
    Math.sin(((b.lat - a.lat) * rad) / 2) ** 2 +
    Math.cos(a.lat * rad) * Math.cos(b.lat * rad) * Math.sin(((b.lon - a.lon) * rad) / 2) ** 2
  return 2 * 6371008.8 * Math.asin(Math.min(1, Math.sqrt(h)))
}

const centre = (b: Box): Position => ({ lat: (b.south + b.north) / 2, lon: (b.west + b.east) / 2 })

/** Wards whose box holds the position, the nearest centre first; else the
 *  nearest wards. Only a suggestion: boxes overlap, and the airport lies in no
 *  ward's boundary at all. */
export function wardsNear(all: Localities, p: Position): { ward: Ward; locality: Locality }[] {
  const rows = all.localities.flatMap((locality) => locality.wards.map((ward) => ({ ward, locality })))
  const near = (r: { ward: Ward }) => distance(centre(r.ward.box), p)
  const inside = rows.filter((r) => holds(r.ward.box, p))
  return (inside.length ? inside : rows).sort((a, b) => near(a) - near(b)).slice(0, inside.length ? undefined : 3)
}

export type Placement = { ok: true } | { ok: false; swapped?: Position }

/** Whether a position is in the province, and if it would be the other way round. */
export function place(province: Box, p: Position): Placement {
  if (holds(province, p)) return { ok: true }
  const swapped = { ...p, lat: p.lon, lon: p.lat }
  return { ok: false, swapped: holds(province, swapped) ? swapped : undefined }
}

/** Reads a pair of coordinates as typed or pasted: "12.2389, 109.1967",
 *  "12,2389; 109,1967", "12,2389 109,1967", "geo:12.2389,109.1967". */
export function parsePosition(text: string): Position | undefined {
  const plain = text.trim().replace(/^geo:/i, '').replace(/\?.*$/, '')
  const pair =
    plain.match(/^([+-]?\d+(?:[.,]\d+)?)\s*;\s*([+-]?\d+(?:[.,]\d+)?)$/) ??
    plain.match(/^([+-]?\d+(?:\.\d+)?)\s*,\s*([+-]?\d+(?:\.\d+)?)$/) ??
    plain.match(/^([+-]?\d+(?:[.,]\d+)?)\s+([+-]?\d+(?:[.,]\d+)?)$/) ??
    plain.match(/^([+-]?\d+,\d+)\s*,\s*([+-]?\d+,\d+)$/)
  if (!pair) return undefined
  const lat = parseNumber(pair[1])
  const lon = parseNumber(pair[2])
  if (lat === undefined || lon === undefined || Math.abs(lat) > 180 || Math.abs(lon) > 180) return undefined
  return { lat, lon }
}

/** A site's id made of its name: "Cầu Trần Phú" → "cau-tran-phu". */
export function slug(name: string): string {
  return plain(name)
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 48)
    .replace(/-+$/, '')
}

/** Lower case without diacritics, for search: "Đầm Nha Phu" → "dam nha phu". */
export function plain(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').replace(/[đĐ]/g, 'd').toLowerCase()
}

/** Each word that was typed is somewhere in the text. */
export function matches(text: string, typed: string): boolean {
  const where = plain(text)
  return plain(typed)
    .split(/\s+/)
    .every((w) => where.includes(w))
}
