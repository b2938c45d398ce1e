import { describe, expect, it } from 'vitest'
import type { QueueItem } from './db'
import type { Registered, RegistrationInput } from './api'
import { ApiError, Unreachable } from './http'
import { Queue, requestID } from './queue'

const input = (id: string): RegistrationInput => ({ request_id: id, device: { id: `dev-${id}`, kinds: ['noise'] }, site: { id: 'cau-da' } })

/** A phone: its shelf, its clock, and a server that answers as it is told. */
function phone(answer: (input: RegistrationInput) => Promise<Registered>) {
  const shelf = new Map<string, QueueItem>()
  const sent: RegistrationInput[] = []
  let now = Date.parse('2026-11-21T01:00:00Z')
  let lock: Promise<unknown> = Promise.resolve()
  const queue = new Queue({
    shelf: {
      all: async () => structuredClone([...shelf.values()]),
      put: async (i) => shelf.set(i.id, structuredClone(i)),
      remove: async (id) => shelf.delete(id),
    },
    send: (i) => {
      sent.push(i)
      return answer(i)
    },
    now: () => new Date((now += 1000)),
    alone: (f) => (lock = lock.then(f, f)) as ReturnType<typeof f>,
    encode: async () => 'cGhvdG8=',
    changed: () => {},
  })
  return { queue, shelf, sent }
}

const done = async (i: RegistrationInput) => ({ request_id: i.request_id }) as Registered
const offline = async () => {
  throw new Unreachable('no network')
}

describe('the queue', () => {
  it('sends the oldest first, and each once', async () => {
    const p = phone(done)
    await p.queue.add(input('a'))
    await p.queue.add(input('b'))
    expect(await p.queue.flush()).toBe('done')
    await p.queue.flush()
    expect(p.sent.map((i) => i.request_id)).toEqual(['a', 'b'])
    expect([...p.shelf.values()].map((i) => i.state)).toEqual(['sent', 'sent'])
  })

  it('keeps everything while the server is not reached', async () => {
    let reached = false
    const p = phone((i) => (reached ? done(i) : offline()))
    await p.queue.add(input('a'), new Blob(['photo']))
    await p.queue.add(input('b'))
    expect(await p.queue.flush()).toBe('offline')
    expect(p.sent).toHaveLength(1) // the second need not be tried
    expect([...p.shelf.values()].map((i) => i.state)).toEqual(['waiting', 'waiting'])
    reached = true
    expect(await p.queue.flush()).toBe('done')
    expect(p.sent.map((i) => i.request_id)).toEqual(['a', 'a', 'b'])
  })

  it('sends again what was cut off, unchanged but for the time of sending', async () => {
    const p = phone(done)
    await p.queue.add(input('a'))
    p.shelf.get('a')!.state = 'sending' // the phone died here
    await p.queue.flush()
    const first = p.sent[0]
    p.shelf.get('a')!.state = 'sending'
    await p.queue.flush()
    const { sent_at: s1, ...c1 } = first
    const { sent_at: s2, ...c2 } = p.sent[1]
    expect(c2).toEqual(c1)
    expect(s2).not.toBe(s1)
  })

  it('does not send twice when flushed from two sides', async () => {
    const p = phone(async (i) => {
      await new Promise((r) => setTimeout(r, 5))
      return done(i)
    })
    await p.queue.add(input('a'))
    await Promise.all([p.queue.flush(), p.queue.flush()])
    expect(p.sent).toHaveLength(1)
  })

  it('says since when by the phone’s clock at the form, not at the sending', async () => {
    const p = phone(done)
    const item = await p.queue.add(input('a'))
    await p.queue.flush()
    expect(p.sent[0].from).toBe(item.made)
    expect(Date.parse(p.sent[0].sent_at!)).toBeGreaterThan(Date.parse(item.made))
  })

  it('puts a conflict aside, with what the server said, and goes on', async () => {
    const details = [{ code: 'already_registered', vi: 'đã đăng ký', en: 'taken', current: { who: 'lan' } }]
    const p = phone((i) => (i.request_id === 'a' ? Promise.reject(new ApiError(409, 'conflict', 'taken', details)) : done(i)))
    await p.queue.add(input('a'), new Blob(['photo']))
    await p.queue.add(input('b'))
    expect(await p.queue.flush()).toBe('done')
    expect(p.shelf.get('a')).toMatchObject({ state: 'refused', details })
    expect(p.shelf.get('a')!.photo).toBeDefined() // nothing of the technician's work is lost
    expect(p.shelf.get('b')!.state).toBe('sent')
    await p.queue.flush()
    expect(p.sent.filter((i) => i.request_id === 'a')).toHaveLength(1) // never by itself again
  })

  it('waits for a log-in', async () => {
    const p = phone(() => Promise.reject(new ApiError(401, 'unauthenticated', '')))
    await p.queue.add(input('a'))
    expect(await p.queue.flush()).toBe('locked')
    expect(p.shelf.get('a')!.state).toBe('locked')
  })

  it.each([500, 503, 429])('tries again after a %i', async (status) => {
    const p = phone(() => Promise.reject(new ApiError(status, 'x', '')))
    await p.queue.add(input('a'))
    expect(await p.queue.flush()).toBe('offline')
    expect(p.shelf.get('a')!.state).toBe('waiting')
  })

  it('gives a mended registration an id of its own', async () => {
    const p = phone(done)
    const item = await p.queue.add(input('a'))
    await p.queue.mend(item, { redundant: true }, 'a2')
    await p.queue.flush()
    expect([...p.shelf.keys()]).toEqual(['a2'])
    expect(p.sent[0]).toMatchObject({ request_id: 'a2', redundant: true })
  })

  it('lets go of the photo once it is sent', async () => {
    const p = phone(done)
    await p.queue.add(input('a'), new Blob(['photo']))
    await p.queue.flush()
    expect(p.sent[0].photo).toBe('cGhvdG8=')
    expect(p.shelf.get('a')!.photo).toBeUndefined()
  })
})

it('makes request ids that the server takes, without repetition', () => {
  const ids = new Set(Array.from({ length: 1000 }, requestID))
  expect(ids.size).toBe(1000)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
