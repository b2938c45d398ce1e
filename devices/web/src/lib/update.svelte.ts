// The service worker: it keeps the console in the phone, and tells of a new
// version instead of reloading under somebody's fingers.

class Update {
  ready = $state(false)
  private waiting: ServiceWorker | null = null

  start() {
    if (import.meta.env.DEV || !('serviceWorker' in navigator)) return
    navigator.serviceWorker.register('/sw.js').then(
      (r) => this.watch(r),
      () => {}, // without HTTPS there is none, and the console works all the same
    )
    let reloading = false
    const first = !navigator.serviceWorker.controller
    navigator.serviceWorker.addEventListener('controllerchange', () => {
      if (first || reloading) return
      reloading = true
      location.reload()
    })
  }

  apply() {
    this.waiting?.postMessage({ type: 'SKIP_WAITING' })
  }

  private watch(r: ServiceWorkerRegistration) {
    const offer = () => {
      if (!r.waiting || !navigator.serviceWorker.controller) return
      this.waiting = r.waiting
      this.ready = true
    }
    offer()
    r.addEventListener('updatefound', () => r.installing?.addEventListener('statechange', offer))
    setInterval(() => void r.update().catch(() => {}), 3600_000)
  }
}

export const update = new Update()
