// Whether the phone has a network, and its clock's error, for pages to show.

import { clock } from './clock'

class Network {
  online = $state(typeof navigator === 'undefined' ? true : navigator.onLine)
  skew = $state<number | undefined>(clock.skew)

  start() {
    addEventListener('online', () => (this.online = true))
    addEventListener('offline', () => (this.online = false))
    clock.subscribe(() => (this.skew = clock.skew))
  }

  get clockWrong(): boolean {
    return this.skew !== undefined && clock.wrong
  }
}

export const network = new Network()
