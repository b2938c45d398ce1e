// The phone's position, getting better while one watches: the first fix of a
// phone just taken from a pocket is often hundreds of metres off.

import type { Position } from './api'

/** Good enough to stop by itself, in metres. */
const GOOD = 8
const PATIENCE = 30_000

export class Finder {
  state = $state<'off' | 'looking' | 'denied' | 'none' | 'insecure'>('off')
  best = $state.raw<Position | undefined>()
  private watch: number | undefined
  private timer: ReturnType<typeof setTimeout> | undefined

  start(done: (p: Position) => void) {
    this.end()
    this.best = undefined
    if (!isSecureContext || !navigator.geolocation) {
      this.state = 'insecure'
      return
    }
    this.state = 'looking'
    const finish = () => {
      const found = this.best
      this.end()
      if (found) done(found)
      else this.state = 'none'
    }
    this.watch = navigator.geolocation.watchPosition(
      ({ coords }) => {
        if (this.best?.accuracy && coords.accuracy >= this.best.accuracy) return
        this.best = { lat: round(coords.latitude), lon: round(coords.longitude), accuracy: Math.max(1, Math.round(coords.accuracy)) }
        if (coords.accuracy <= GOOD) finish()
      },
      (e) => {
        if (e.code !== e.PERMISSION_DENIED) return
        this.end()
        this.state = 'denied'
      },
      { enableHighAccuracy: true, maximumAge: 0, timeout: PATIENCE },
    )
    this.timer = setTimeout(finish, PATIENCE)
  }

  end() {
    if (this.watch !== undefined) navigator.geolocation.clearWatch(this.watch)
    clearTimeout(this.timer)
    this.watch = undefined
    this.state = 'off'
  }
}

// Six digits are 0.1 m; more would be noise.
const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6
