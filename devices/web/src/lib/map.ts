// What MapLibre is given: a style without any request, the wards and the sites.

import maplibregl from 'maplibre-gl/dist/maplibre-gl-csp'
import workerURL from 'maplibre-gl/dist/maplibre-gl-csp-worker?url'
import type { ExpressionSpecification, Map as MapLibre, StyleSpecification } from 'maplibre-gl'
import type { Feature, Localities, Presence } from './api'
import type { Language } from './format'

// This build's worker is a file of its own: a worker made of a blob would need a
// wider content security policy.
maplibregl.setWorkerUrl(workerURL)

const FONT = ['Be Vietnam Pro']
/** The zoom from which wards are named, and localities no more. */
const NEAR = 10.5
const colours = {
  dark: { ground: '#0a1f29', ward: '#14303c', edge: '#2f5666', text: '#a3bcc6', ink: '#e9f2f5', well: '#5cc3d6', quiet: '#8aa6b1', attention: '#ffb43a' },
  light: { ground: '#dfe9ee', ward: '#f6fafb', edge: '#9db6c1', text: '#46606c', ink: '#0c2530', well: '#0b6a7f', quiet: '#5d7783', attention: '#8f5600' },
}

export type Ground = keyof typeof colours

/** Settings of the console that the server has; without them the built-in ground. */
async function baseStyle(): Promise<string | undefined> {
  try {
    const response = await fetch('/console.json')
    return response.ok ? ((await response.json()) as { map_style?: string }).map_style || undefined : undefined
  } catch {
    return undefined
  }
}

export async function createMap(container: HTMLElement, ground: Ground, open: (site: string) => void): Promise<MapLibre> {
  const base = navigator.onLine ? await baseStyle() : undefined
  await document.fonts.load('600 14px "Be Vietnam Pro"', 'Ninh Hòa')
  const map: MapLibre = new maplibregl.Map({
    container,
    style: base ?? plain(ground),
    center: [109.15, 12.2],
    zoom: 8.5,
    minZoom: 6,
    maxZoom: 18,
    attributionControl: base ? undefined : false,
    dragRotate: false,
    pitchWithRotate: false,
    cooperativeGestures: false,
    fadeDuration: 0,
  })
  map.touchZoomRotate.disableRotation()
  await new Promise<void>((done) => (map.isStyleLoaded() ? done() : map.once('load', () => done())))
  addOurs(map, ground)
  map.on('click', 'sites', (e) => {
    const id = e.features?.[0]?.properties.id as string | undefined
    if (id) open(id)
  })
  map.on('mouseenter', 'sites', () => (map.getCanvas().style.cursor = 'pointer'))
  map.on('mouseleave', 'sites', () => (map.getCanvas().style.cursor = ''))
  return map
}

function plain(ground: Ground): StyleSpecification {
  return { version: 8, sources: {}, layers: [{ id: 'ground', type: 'background', paint: { 'background-color': colours[ground].ground } }] }
}

const attention: ExpressionSpecification = ['match', ['get', 'presence'], ['silent', 'late'], 1, 0]

function addOurs(map: MapLibre, ground: Ground) {
  const c = colours[ground]
  const empty: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] }
  for (const shape of shapes) map.addImage(shape, draw(shape, c), { pixelRatio: 2 })
  map.addSource('wards', { type: 'geojson', data: empty })
  map.addSource('sites', { type: 'geojson', data: empty })
  // Wards are boxes that lie over each other: their fills cover the edges inside,
  // and one outline is left.
  map.addLayer({ id: 'ward-edges', type: 'line', source: 'wards', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'line-color': c.edge, 'line-width': 2 } })
  map.addLayer({ id: 'wards', type: 'fill', source: 'wards', filter: ['==', ['geometry-type'], 'Polygon'], paint: { 'fill-color': c.ward } })
  const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 // a wall has larger letters
  const text = { 'text-font': FONT, 'text-size': 12 * scale, 'text-max-width': 9 }
  const halo = { 'text-halo-color': c.ground, 'text-halo-width': 1.5 }
  map.addLayer({
    id: 'ward-names', type: 'symbol', source: 'wards', filter: ['==', ['get', 'of'], 'ward'], minzoom: NEAR,
    layout: { ...text, 'text-field': ['get', 'name'], 'text-letter-spacing': 0.04, 'text-padding': 6 }, paint: { ...halo, 'text-color': c.text },
  })
  map.addLayer({
    id: 'locality-names', type: 'symbol', source: 'wards', filter: ['==', ['get', 'of'], 'locality'], maxzoom: NEAR,
    layout: { ...text, 'text-field': ['get', 'name'], 'text-size': 15 * scale, 'text-letter-spacing': 0.04, 'text-variable-anchor-offset': ['center', [0, 0], 'left', [1.5, 0], 'right', [-1.5, 0], 'left', [4, 0], 'right', [-4, 0], 'top', [0, 1.5], 'bottom', [0, -1.5]] },
    paint: { ...halo, 'text-color': c.text },
  })
  map.addLayer({
    id: 'sites', type: 'symbol', source: 'sites',
    layout: { 'icon-image': ['get', 'shape'], 'icon-allow-overlap': true, 'icon-size': ['interpolate', ['linear'], ['zoom'], 8, 0.75 * scale, 13, 1.2 * scale], 'symbol-sort-key': attention },
  })
  map.addLayer({
    id: 'site-names', type: 'symbol', source: 'sites', minzoom: 11,
    layout: { ...text, 'text-field': ['get', 'name'], 'text-offset': [0, 1], 'text-anchor': 'top', 'text-size': 13 * scale }, paint: { ...halo, 'text-color': c.ink },
  })
}

const shapes = ['fresh', 'waiting', 'late', 'silent', 'muted', 'none'] as const

// The same shapes as the words' marks have (Presence.svelte), drawn by hand: the
// map takes pictures, not elements.
function draw(shape: (typeof shapes)[number], c: (typeof colours)['dark']): ImageData {
  const size = 40
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = size
  const g = canvas.getContext('2d')!
  g.translate(size / 2, size / 2)
  g.lineWidth = 5
  g.lineJoin = 'round'
  g.fillStyle = shape === 'silent' || shape === 'late' ? c.attention : shape === 'fresh' ? c.well : c.ground
  g.strokeStyle = shape === 'late' || shape === 'silent' ? c.attention : shape === 'fresh' ? c.ground : c.quiet
  g.beginPath()
  if (shape === 'late') polygon(g, [[0, -14], [15, 12], [-15, 12]])
  else if (shape === 'silent') polygon(g, [[0, -17], [17, 0], [0, 17], [-17, 0]])
  else if (shape === 'muted') g.rect(-11, -11, 22, 22)
  else g.arc(0, 0, shape === 'none' ? 6 : 12, 0, 2 * Math.PI)
  if (shape === 'waiting') g.setLineDash([8, 5])
  if (shape === 'late') g.fillStyle = c.ground
  g.fill()
  g.stroke()
  return g.getImageData(0, 0, size, size)
}

function polygon(g: CanvasRenderingContext2D, points: [number, number][]) {
  points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)))
  g.closePath()
}

export function wardData(all: Localities, language: Language): GeoJSON.FeatureCollection {
  const features: GeoJSON.Feature[] = []
  for (const w of all.localities.flatMap((l) => l.wards)) {
    const { west, south, east, north } = w.box
    if (west === east) continue
    const name = language === 'en' ? w.name_en || w.name_vi : w.name_vi
    const ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    features.push({ type: 'Feature', geometry: { type: 'Polygon', coordinates: [ring] }, properties: {} })
    features.push({ type: 'Feature', geometry: { type: 'Point', coordinates: [(west + east) / 2, (south + north) / 2] }, properties: { of: 'ward', name } })
  }
  for (const l of all.localities) {
    const { west, south, east, north } = l.box
    if (west < east) features.push({ type: 'Feature', geometry: { type: 'Point', coordinates: [(west + east) / 2, (south + north) / 2] }, properties: { of: 'locality', name: language === 'en' ? l.name_en || l.name_vi : l.name_vi } })
  }
  return { type: 'FeatureCollection', features }
}

export function siteData(sites: Feature[]): GeoJSON.FeatureCollection {
  return {
    type: 'FeatureCollection',
    features: sites.map((f) => ({
      type: 'Feature',
      geometry: f.geometry,
      properties: { id: f.id, name: f.properties.name, presence: f.properties.presence ?? 'none', shape: (f.properties.presence ?? 'none') satisfies Presence | 'none' },
    })),
  }
}
