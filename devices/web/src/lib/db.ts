// What the phone keeps: registrations waiting to be sent, and the lists that
// the field app needs where there is no coverage.

import { openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { Detail } from './http'
import type { Registered, RegistrationInput } from './api'

/** Where a queued registration stands.
 *
 *  waiting → sending → sent
 *                    → refused  (the server says why; a person decides)
 *                    → waiting  (not reached, or a fault of the server: again)
 *                    → locked   (the session has ended: log in, then again)
 */
export type QueueState = 'waiting' | 'sending' | 'locked' | 'sent' | 'refused'

export interface QueueItem {
  /** The request id, made in this phone: the server does it once. */
  id: string
  state: QueueState
  /** The phone's clock when the form was finished. */
  made: string
  input: RegistrationInput
  photo?: Blob
  tries: number
  details?: Detail[]
  result?: Registered
  /** By how many seconds the phone's clock was ahead, if that was known. */
  skew?: number
}

interface Schema extends DBSchema {
  queue: { key: string; value: QueueItem }
  cache: { key: string; value: { key: string; at: number; value: unknown } }
}

let opened: Promise<IDBPDatabase<Schema>> | undefined

export function db(): Promise<IDBPDatabase<Schema>> {
  opened ??= openDB<Schema>('haidang', 1, {
    upgrade(d) {
      d.createObjectStore('queue', { keyPath: 'id' })
      d.createObjectStore('cache', { keyPath: 'key' })
    },
    // Another tab wants a newer form of the database: let go of this one.
    blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
    terminated: () => (opened = undefined),
  })
  return opened
}

/** The newest from the server, or what was kept when it cannot be reached. */
export async function kept<T>(key: string, get: () => Promise<T>, fallbackOn: (e: unknown) => boolean): Promise<T> {
  try {
    const value = await get()
    await (await db()).put('cache', { key, at: Date.now(), value })
    return value
  } catch (e) {
    if (!fallbackOn(e)) throw e
    const old = await (await db()).get('cache', key)
    if (!old) throw e
    return old.value as T
  }
}
