// Notices a phone whose clock is wrong. Every answer of the server carries its
// time; half the round trip is as near as one can know.

/** From this many seconds on people are told: the server's own tolerance. */
export const TOLERABLE_SKEW = 60

const KEY = 'haidang-clock-skew'

export class Clock {
  /** Seconds by which this device's clock is ahead; undefined if never compared. */
  skew: number | undefined
  private listeners = new Set<() => void>()

  constructor(private readonly storage?: Pick<Storage, 'getItem' | 'setItem'>) {
    const kept = storage?.getItem(KEY)
    if (kept) this.skew = Number(kept)
  }

  learn(date: string | null, sent: number, received: number) {
    const server = date ? Date.parse(date) : NaN
    // A slow answer says little about the time at which it was made.
    if (Number.isNaN(server) || received - sent > 10_000) return
    // The header has whole seconds: on average it is half a second behind.
    const skew = Math.round(((sent + received) / 2 - server - 500) / 1000)
    if (skew === this.skew) return
    this.skew = skew
    this.storage?.setItem(KEY, String(skew))
    for (const f of this.listeners) f()
  }

  get wrong(): boolean {
    return this.skew !== undefined && Math.abs(this.skew) >= TOLERABLE_SKEW
  }

  subscribe(f: () => void): () => void {
    this.listeners.add(f)
    return () => this.listeners.delete(f)
  }
}

export const clock = new Clock(typeof localStorage === 'undefined' ? undefined : localStorage)
