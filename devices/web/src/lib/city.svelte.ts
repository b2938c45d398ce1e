// How the city stands at this moment: devices by state, incidents, and the
// newest readings, kept up to date by the live stream.

import { getIncidents, getSilence, type Incident, type PresenceCounts, type Reading, type SilencePage } from './api'
import { live } from './live.svelte'
import { places } from './places.svelte'

/** How many lately received readings are kept for the overview. */
const RECENT = 6
/** How often the states are read again although nothing was told. */
const REFRESH = 30_000
const WORST = 'silent,late'

export class City {
  silence = $state.raw<SilencePage | undefined>()
  incidents = $state.raw<Incident[]>([])
  recent = $state.raw<Reading[]>([])
  /** Devices whose instrument reports an error, by the live stream. */
  faulty = $state.raw<Reading[]>([])
  error = $state.raw<unknown>()

  /** Follows the city until the returned function is called. */
  follow(): () => void {
    let soon: ReturnType<typeof setTimeout> | undefined
    // A storm of changes asks once, not a hundred times.
    const later = (f: () => Promise<void>) => () => {
      soon ??= setTimeout(() => {
        soon = undefined
        void f()
      }, 1500)
    }
    const all = async () => {
      await Promise.all([this.read(), places.refreshSites().catch(() => {})])
    }
    const off = [live.on('presence', later(all)), live.on('change', later(all)), live.on('reset', later(all)), live.on('reading', (r) => this.hear(r))]
    const every = setInterval(() => void this.read(), REFRESH)
    void this.read()
    return () => {
      clearInterval(every)
      clearTimeout(soon)
      for (const f of off) f()
    }
  }

  counts(locality: string): PresenceCounts | undefined {
    if (!this.silence) return undefined
    return this.silence.localities[locality] ?? { muted: 0, fresh: 0, waiting: 0, late: 0, silent: 0 }
  }

  async read() {
    try {
      const [silence, incidents] = await Promise.all([getSilence({ state: WORST, limit: 200 }), getIncidents()])
      this.silence = silence
      this.incidents = incidents.incidents
      this.error = undefined
    } catch (e) {
      this.error = e
    }
  }

  private hear(r: Reading) {
    this.recent = [r, ...this.recent.filter((o) => o.device !== r.device || o.kind !== r.kind)].slice(0, RECENT)
    const others = this.faulty.filter((o) => o.device !== r.device || o.kind !== r.kind)
    if (r.values.quality === 2) this.faulty = [r, ...others]
    else if (others.length !== this.faulty.length) this.faulty = others
  }
}
