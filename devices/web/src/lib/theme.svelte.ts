// Dark is the console's own ground; light is for phones in the sun. The system's
// wish counts until somebody chooses.

const KEY = 'haidang-theme'

class Theme {
  value = $state<'dark' | 'light'>('dark')

  start() {
    const kept = localStorage.getItem(KEY)
    const light = matchMedia('(prefers-color-scheme: light)')
    this.apply(kept === 'light' || (kept !== 'dark' && light.matches) ? 'light' : 'dark')
    light.addEventListener('change', (e) => {
      if (!localStorage.getItem(KEY)) this.apply(e.matches ? 'light' : 'dark')
    })
  }

  toggle() {
    this.apply(this.value === 'dark' ? 'light' : 'dark')
    localStorage.setItem(KEY, this.value)
  }

  private apply(value: 'dark' | 'light') {
    this.value = value
    document.documentElement.dataset.theme = value
    const ground = getComputedStyle(document.documentElement).getPropertyValue('--ground')
    document.querySelector('meta[name=theme-color]')?.setAttribute('content', ground.trim())
  }
}

export const theme = new Theme()
