// A router over the history API: the server answers every path of the console
// with the same page, and this decides what is on it.

class Router {
  path = $state(typeof location === 'undefined' ? '/' : location.pathname)
  search = $state(typeof location === 'undefined' ? '' : location.search)

  start() {
    addEventListener('popstate', () => this.read())
    document.addEventListener('click', (e) => this.follow(e))
  }

  go(url: string, replace = false) {
    if (url === this.path + this.search) return
    history[replace ? 'replaceState' : 'pushState'](null, '', url)
    this.read()
    if (!replace) {
      scrollTo(0, 0)
      // A keyboard or a screen reader starts at the new page's beginning.
      requestAnimationFrame(() => document.getElementById('main')?.focus({ preventScroll: true }))
    }
  }

  param(name: string): string {
    return new URLSearchParams(this.search).get(name) ?? ''
  }

  private read() {
    this.path = location.pathname
    this.search = location.search
  }

  private follow(e: MouseEvent) {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const a = (e.target as Element | null)?.closest?.('a')
    if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin || a.getAttribute('href')?.startsWith('#')) return
    if (/^\/(api|auth|prometheus|metrics|healthz|readyz)(\/|$)/.test(a.pathname)) return
    e.preventDefault()
    this.go(a.pathname + a.search)
  }
}

export const router = new Router()
