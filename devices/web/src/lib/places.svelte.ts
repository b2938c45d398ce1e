// The lists that nearly every page needs: localities with their wards, the
// catalogue of kinds, and the sites. They are kept in the phone, so the field
// app works where there is no coverage.

import { getKinds, getLocalities, getMarkers, type Feature, type Kind, type Localities, type Locality, type Metric, type Ward } from './api'
import { kept } from './db'
import { Unreachable } from './http'

class Places {
  all = $state.raw<Localities | undefined>()
  kinds = $state.raw<Kind[]>([])
  sites = $state.raw<Feature[]>([])
  truncated = $state(false)
  failed = $state.raw<unknown>()
  loaded = $state(false)

  async load() {
    const offline = (e: unknown) => e instanceof Unreachable
    try {
      const [all, kinds, markers] = await Promise.all([
        kept('localities', getLocalities, offline),
        kept('kinds', getKinds, offline),
        kept('sites', getMarkers, offline),
      ])
      this.all = all
      this.kinds = kinds.kinds
      this.sites = markers.features
      this.truncated = !!markers.truncated
      this.failed = undefined
      this.loaded = true
    } catch (e) {
      this.failed = e
    }
  }

  async refreshSites() {
    const markers = await kept('sites', getMarkers, (e) => e instanceof Unreachable)
    this.sites = markers.features
    this.truncated = !!markers.truncated
  }

  /** The kinds that are measured; a device's own state is none of them. */
  get measured(): Kind[] {
    return this.kinds.filter((k) => k.kind !== 'status')
  }

  kind(name: string): Kind | undefined {
    return this.kinds.find((k) => k.kind === name)
  }

  metric(kind: string, name: string): Metric | undefined {
    return this.kind(kind)?.metrics.find((m) => m.name === name)
  }

  locality(id: string | undefined): Locality | undefined {
    return this.all?.localities.find((l) => l.id === id)
  }

  ward(code: string | undefined): Ward | undefined {
    return this.all?.localities.flatMap((l) => l.wards).find((w) => w.code === code) ?? this.all?.other_wards.find((w) => w.code === code)
  }

  site(id: string): Feature | undefined {
    return this.sites.find((f) => f.id === id)
  }
}

export const places = new Places()
