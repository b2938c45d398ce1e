// The registration form's state: what the technician has said so far, what of
// it is still missing, and what is sent. It survives a phone that is locked or a
// page that is reloaded under the lamp post; the photo alone does not.

import type { DeviceInput, Position, RegistrationInput, Site, SiteInput } from './api'
import { ID } from './qr'
import { distance, place, slug, wardsNear } from './geo'
import { parseNumber } from './format'
import { places } from './places.svelte'

const KEY = 'haidang-draft'
const NEAR = 1500 // metres

export interface NearSite {
  id: string
  name: string
  distance?: number
  ward?: string
  devices?: string[]
  kinds?: string[]
}

const blank = {
  device: '',
  heard: '', // the device that this form was opened for under Heard
  kinds: [] as string[],
  serial: '',
  position: undefined as Position | undefined,
  outsideReason: '',
  siteId: '',
  isNew: false,
  name: '',
  ward: '',
  height: '',
  redundant: false,
  notes: '',
}

export class Draft {
  form = $state(structuredClone(blank))
  photo = $state.raw<Blob | undefined>()

  restore() {
    try {
      const kept = sessionStorage.getItem(KEY)
      if (kept) this.form = { ...structuredClone(blank), ...(JSON.parse(kept) as typeof blank) }
    } catch {
      // a draft of another version
    }
  }

  keep() {
    sessionStorage.setItem(KEY, JSON.stringify(this.form))
  }

  clear() {
    this.form = structuredClone(blank)
    this.photo = undefined
    sessionStorage.removeItem(KEY)
  }

  get deviceOk(): boolean {
    return ID.test(this.form.device) && this.form.kinds.length > 0
  }

  get placement() {
    const { position } = this.form
    return position && places.all ? place(places.all.province, position) : undefined
  }

  get positionOk(): boolean {
    return !!this.form.position && (this.placement?.ok !== false || !!this.form.outsideReason.trim())
  }

  get siteOk(): boolean {
    return this.form.isNew ? !!slug(this.form.name) && !!this.form.ward : !!this.form.siteId
  }

  get heightOk(): boolean {
    if (!this.form.height.trim()) return true
    const h = parseNumber(this.form.height)
    return h !== undefined && h >= -100 && h <= 1000
  }

  /** Sites near the position; without one, none. */
  get near(): NearSite[] {
    const p = this.form.position
    if (!p) return []
    return places.sites
      .filter((f) => f.properties.state !== 'retired')
      .map((f) => {
        const [lon, lat] = f.geometry.coordinates
        return { id: f.id, name: f.properties.name, ward: f.properties.ward, devices: f.properties.devices, kinds: f.properties.kinds, distance: distance(p, { lat, lon }) }
      })
      .filter((s) => s.distance <= NEAR)
      .sort((a, b) => a.distance - b.distance)
      .slice(0, 6)
  }

  get wards() {
    return this.form.position && places.all ? wardsNear(places.all, this.form.position) : []
  }

  /** Takes over what a site that was chosen says of itself. */
  choose(site: Site | NearSite) {
    this.form.siteId = site.id
    this.form.isNew = false
  }

  newSite() {
    this.form.isNew = true
    this.form.siteId = ''
    this.form.ward ||= this.wards[0]?.ward.code ?? ''
  }

  build(request_id: string): RegistrationInput {
    const f = this.form
    const device: DeviceInput = { id: f.device, kinds: [...f.kinds], serial: f.serial.trim() || undefined, notes: f.notes.trim() || undefined }
    const said = { request_id, device, site: this.site(), new_site: f.isNew || undefined, redundant: f.redundant || undefined }
    // Without a time the server takes that when the device was first heard, so that what waits of it is stored.
    return f.heard && f.heard === f.device ? { ...said, from: undefined } : said
  }

  private site(): SiteInput {
    const f = this.form
    if (!f.isNew) return { id: f.siteId }
    const locality = places.all?.localities.find((l) => l.wards.some((w) => w.code === f.ward))?.id
    const position = f.position && { ...f.position, outside_reason: f.outsideReason.trim() || undefined }
    // Two technicians may give one name to two places; the device tells them apart.
    const id = places.site(slug(f.name)) ? `${slug(f.name)}-${f.device.toLowerCase().replace(/[^a-z0-9-]/g, '-')}`.slice(0, 64) : slug(f.name)
    return { id, name: f.name.trim(), locality, ward: f.ward, position, mount_height: parseNumber(f.height) }
  }
}
