// The queue of registrations as pages see it, joined to this phone's database
// and network.

import { register } from './api'
import { db, type QueueItem } from './db'
import { base64 } from './photo'
import { Queue } from './queue'
import { session } from './session.svelte'

const RETRY = 30_000

class Outbox {
  items = $state.raw<QueueItem[]>([])
  sending = $state(false)
  readonly queue = new Queue({
    shelf: {
      all: async () => (await db()).getAll('queue'),
      put: async (item) => (await db()).put('queue', item),
      remove: async (id) => (await db()).delete('queue', id),
    },
    send: register,
    now: () => new Date(),
    alone,
    encode: base64,
    changed: () => void this.read(),
  })

  get waiting(): number {
    return this.items.filter((i) => i.state !== 'sent').length
  }

  async start() {
    await this.read()
    addEventListener('online', () => void this.flush())
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void this.flush()
    })
    // The browser's word on the network is a guess: a phone with bars and no
    // data is "online". So what waits is tried now and then.
    setInterval(() => {
      if (this.waiting) void this.flush()
    }, RETRY)
    void this.flush()
  }

  async flush() {
    // Nothing is sent before the server has said who this is: without its token
    // every registration would be refused.
    if (this.sending || session.known !== 'yes') return
    this.sending = true
    try {
      if ((await this.queue.flush()) === 'locked') await session.load()
    } finally {
      this.sending = false
    }
  }

  private async read() {
    const items = await (await db()).getAll('queue')
    this.items = items.sort((a, b) => b.made.localeCompare(a.made))
  }
}

// Two tabs of one phone must not send at once. Without locks (an old browser, or
// a page without HTTPS) the request id still makes the second harmless.
async function alone<T>(f: () => Promise<T>): Promise<T> {
  if (!navigator.locks) return f()
  return navigator.locks.request('haidang-outbox', f) as Promise<T>
}

export const outbox = new Outbox()
