// The queue of registrations. It has no screen and no network of its own: it is
// given both, so that its promise can be tested: every registration is sent
// until the server has answered it, under one request id, and none is lost or
// overwrites another.

import { ApiError, type Detail } from './http'
import type { QueueItem } from './db'
import type { Registered, RegistrationInput } from './api'

export interface Shelf {
  all(): Promise<QueueItem[]>
  put(item: QueueItem): Promise<unknown>
  remove(id: string): Promise<unknown>
}

export interface Ports {
  shelf: Shelf
  send(input: RegistrationInput): Promise<Registered>
  now(): Date
  /** Runs f while no other tab of this phone sends. */
  alone<T>(f: () => Promise<T>): Promise<T>
  encode(photo: Blob): Promise<string>
  changed(): void
}

export type Outcome = 'done' | 'offline' | 'locked'

export class Queue {
  constructor(private readonly ports: Ports) {}

  async add(input: RegistrationInput, photo?: Blob, skew?: number): Promise<QueueItem> {
    const made = this.ports.now().toISOString()
    const item: QueueItem = { id: input.request_id, state: 'waiting', made, input: 'from' in input ? input : { ...input, from: made }, photo, tries: 0, skew }
    await this.ports.shelf.put(item)
    this.ports.changed()
    return item
  }

  /** Sends what waits, the oldest first, until all is answered or the server is
   *  not reached. An item marked as being sent was cut off: it is sent again
   *  under its id, and the server answers as it did before. */
  flush(): Promise<Outcome> {
    return this.ports.alone(async () => {
      const items = (await this.ports.shelf.all()).filter((i) => i.state !== 'sent' && i.state !== 'refused')
      items.sort((a, b) => a.made.localeCompare(b.made))
      for (const item of items) {
        const outcome = await this.sendOne(item)
        if (outcome !== 'done') return outcome
      }
      return 'done'
    })
  }

  private async sendOne(item: QueueItem): Promise<Outcome> {
    await this.keep({ ...item, state: 'sending', tries: item.tries + 1 })
    const tried = { ...item, tries: item.tries + 1 }
    try {
      const photo = item.photo && (await this.ports.encode(item.photo))
      const result = await this.ports.send({ ...item.input, photo, sent_at: this.ports.now().toISOString() })
      // The photo is the server's now; the phone need not keep it.
      await this.keep({ ...tried, state: 'sent', result, photo: undefined, details: undefined })
      return 'done'
    } catch (e) {
      if (!(e instanceof ApiError) || e.status >= 500 || e.status === 429 || e.status === 408) {
        await this.keep({ ...tried, state: 'waiting' })
        return 'offline'
      }
      // Without a session, or with the token of one that has ended.
      if (e.status === 401 || e.detail('csrf_token_missing')) {
        await this.keep({ ...tried, state: 'locked' })
        return 'locked'
      }
      await this.keep({ ...tried, state: 'refused', details: refusal(e) })
      return 'done' // a person has to look at it; the next need not wait
    }
  }

  /** Puts a refused registration back with what was mended. Its content is
   *  another one now, so it needs an id of its own; the one refused has done
   *  nothing. */
  async mend(item: QueueItem, change: Partial<RegistrationInput>, id: string): Promise<QueueItem> {
    const next: QueueItem = { ...item, id, state: 'waiting', details: undefined, input: { ...item.input, ...change, request_id: id } }
    await this.ports.shelf.put(next)
    await this.ports.shelf.remove(item.id)
    this.ports.changed()
    return next
  }

  async remove(id: string) {
    await this.ports.shelf.remove(id)
    this.ports.changed()
  }

  private async keep(item: QueueItem) {
    await this.ports.shelf.put(item)
    this.ports.changed()
  }
}

function refusal(e: ApiError): Detail[] {
  return e.details.length ? e.details : [{ code: e.code, vi: e.message, en: e.message }]
}

/** A request id. crypto.randomUUID needs a secure context, which a phone on the
 *  field network's plain address does not have. */
export function requestID(): string {
  const b = crypto.getRandomValues(new Uint8Array(16))
  b[6] = (b[6] & 0x0f) | 0x40
  b[8] = (b[8] & 0x3f) | 0x80
  const hex = [...b].map((x) => x.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
