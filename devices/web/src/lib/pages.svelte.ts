// A long list that is read a page at a time.

export class Pages<T, C> {
  items = $state.raw<T[] | undefined>()
  next = $state.raw<C | undefined>()
  error = $state.raw<unknown>()
  busy = $state(false)
  private turn = 0

  constructor(private get: (cursor: C | undefined) => Promise<{ items: T[]; next?: C }>) {}

  /** Reads from the beginning; what was there stays until the answer is. */
  read = () => this.fetch(undefined)
  more = () => this.fetch(this.next)

  private async fetch(cursor: C | undefined) {
    const turn = ++this.turn
    this.busy = true
    try {
      const page = await this.get(cursor)
      if (turn !== this.turn) return
      this.items = cursor === undefined ? page.items : [...(this.items ?? []), ...page.items]
      this.next = page.next
      this.error = undefined
    } catch (e) {
      if (turn === this.turn) this.error = e
    } finally {
      if (turn === this.turn) this.busy = false
    }
  }
}
