// What a page asks for: its value, or what went wrong, or not yet.

export class Load<T> {
  value = $state.raw<T | undefined>()
  error = $state.raw<unknown>()
  busy = $state(false)
  private turn = 0

  /** Asks; an answer that a later question has overtaken is dropped. The old
   *  value stays until the new one is there. */
  async run(get: () => Promise<T>): Promise<void> {
    const turn = ++this.turn
    this.busy = true
    try {
      const value = await get()
      if (turn !== this.turn) return
      this.value = value
      this.error = undefined
    } catch (e) {
      if (turn === this.turn) this.error = e
    } finally {
      if (turn === this.turn) this.busy = false
    }
  }

  clear() {
    this.turn++
    this.value = undefined
    this.error = undefined
    this.busy = false
  }
}
