// The live stream: newest readings and changes of state, as server-sent events.
// One connection serves all pages.

import type { ChangeEvent, PresenceEvent, Reading } from './api'
import type { Alarm } from './ingest'

interface Events {
  reading: Reading
  presence: PresenceEvent
  change: ChangeEvent
  /** An alarm was raised, cleared or acknowledged. */
  alarm: Alarm
  /** Events were lost: read the lists again. */
  reset: Record<string, never>
}

type Listener<K extends keyof Events> = (e: Events[K]) => void

class Live {
  state = $state<'off' | 'connecting' | 'live'>('off')
  private source: EventSource | undefined
  private retry: ReturnType<typeof setTimeout> | undefined
  private wait = 1000
  private lost = false
  private listeners: { [K in keyof Events]: Set<Listener<K>> } = { reading: new Set(), presence: new Set(), change: new Set(), alarm: new Set(), reset: new Set() }

  start() {
    if (this.source || this.retry) return
    this.state = 'connecting'
    const source = (this.source = new EventSource('/api/v1/live'))
    source.onopen = () => {
      this.state = 'live'
      this.wait = 1000
      // What happened while the line was down was told to nobody.
      if (this.lost) this.tell('reset', {})
      this.lost = false
    }
    source.onerror = () => this.broken()
    for (const name of Object.keys(this.listeners) as (keyof Events)[]) {
      source.addEventListener(name, (e) => this.tell(name, JSON.parse((e as MessageEvent<string>).data)))
    }
  }

  stop() {
    clearTimeout(this.retry)
    this.retry = undefined
    this.source?.close()
    this.source = undefined
    this.state = 'off'
  }

  on<K extends keyof Events>(name: K, f: Listener<K>): () => void {
    this.listeners[name].add(f)
    return () => this.listeners[name].delete(f)
  }

  // The browser reconnects by itself, and tells the server what it had; but on
  // some errors it gives up for good. Then the stream is made anew, with
  // patience that grows.
  private broken() {
    this.state = 'connecting'
    if (this.source?.readyState !== EventSource.CLOSED) return
    this.source.close()
    this.source = undefined
    this.lost = true
    this.retry = setTimeout(() => {
      this.retry = undefined
      this.start()
    }, this.wait)
    this.wait = Math.min(this.wait * 2, 30_000)
  }

  private tell<K extends keyof Events>(name: K, e: Events[K]) {
    for (const f of this.listeners[name]) f(e)
  }
}

export const live = new Live()
