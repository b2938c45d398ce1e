// The active alarms, for every page: read once, kept by what the stream tells, and
// read again once a minute, as often as rules are evaluated, where values are shown.

import { getAlarms, type Alarm, type AlarmPage } from './ingest'
import { live } from './live.svelte'
import { Load } from './load.svelte'
import { places } from './places.svelte'

/** The most that one answer has. */
const MOST = 1000
const EVERY = 60_000

class Alarms {
  private page = new Load<AlarmPage>()
  private followers = 0
  private off: (() => void)[] = []
  private asked = new Set<string>() // sites whose names were asked for
  /** When the list was last as the server has it. */
  read = $state<Date | undefined>()

  active = $derived(this.page.value?.alarms ?? [])
  open = $derived(this.active.filter((a) => !a.acknowledged))
  loaded = $derived(!!this.page.value)
  error = $derived(this.page.error)
  /** Rules are evaluated by Grafana, and their alarms are found there. */
  elsewhere = $derived(this.page.value?.evaluated === 'grafana')
  /** Active alarms beyond those of the list. */
  more = $derived(Math.max(0, (this.page.value?.active ?? 0) - this.active.length))

  start() {
    if (this.off.length) return
    const every = setInterval(() => this.followers && !document.hidden && void this.refresh(), EVERY)
    this.off = [live.on('alarm', (a) => this.take(a)), live.on('reset', () => void this.refresh()), () => clearInterval(every)]
    void this.refresh()
  }

  stop() {
    for (const f of this.off.splice(0)) f()
    this.page.clear()
  }

  /** A page shows them as long as it is there. */
  follow(): () => void {
    this.followers++
    if (this.off.length) void this.refresh()
    return () => void this.followers--
  }

  refresh = async () => {
    await this.page.run(() => getAlarms({ state: 'active', limit: MOST }))
    if (this.page.error) return
    this.read = new Date()
    this.learn(this.active)
  }

  /** One was raised, cleared or acknowledged. */
  take(a: Alarm) {
    const page = this.page.value
    if (!page) return
    const others = page.alarms.filter((o) => o.id !== a.id)
    const was = page.alarms.length - others.length
    const is = a.cleared ? 0 : 1
    this.page.value = { ...page, alarms: is ? [a, ...others] : others, active: page.active + is - was }
    this.learn([a])
  }

  /** A site that was made meanwhile has a name, too. */
  private learn(alarms: Alarm[]) {
    const unknown = alarms.flatMap((a) => (a.site && !places.site(a.site) && !this.asked.has(a.site) ? [a.site] : []))
    if (!unknown.length || !places.loaded) return
    for (const site of unknown) this.asked.add(site)
    void places.refreshSites().catch(() => {})
  }
}

export const alarms = new Alarms()
