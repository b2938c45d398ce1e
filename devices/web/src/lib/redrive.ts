// Drives a part of the quarantine through again, page by page, until none is
// left: one answer of the server covers a few hundred messages.

import type { Redriven } from './ingest'

export interface Progress {
  tried: number
  stored: number
  duplicate: number
  waiting: number
  /** Not tried: only the beginning of their payloads is kept. */
  cut: number
}

type Filter = { ids?: number[]; reason?: string; gateway?: string; topic?: string }

export async function redriveAll(
  step: (f: Filter & { after?: number }) => Promise<Redriven>,
  filter: Filter,
  tell: (p: Progress) => void,
): Promise<Progress> {
  const sum: Progress = { tried: 0, stored: 0, duplicate: 0, waiting: 0, cut: 0 }
  for (let after = 0; ; ) {
    const r = await step({ ...filter, after: after || undefined })
    sum.tried += r.tried
    sum.stored += r.stored
    sum.duplicate += r.duplicate
    sum.waiting += r.waiting
    sum.cut += r.cut
    tell({ ...sum })
    // A next that does not grow would go round for ever.
    if (!r.next || r.next <= after) return sum
    after = r.next
  }
}
