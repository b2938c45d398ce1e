// An error as a sentence for a person, in the chosen language.

import { ApiError, Unreachable } from './http'
import { said, t } from './i18n.svelte'

export function explain(e: unknown): string {
  if (e instanceof Unreachable) return t('error.unreachable')
  if (e instanceof ApiError) {
    if (e.details.length) return e.details.map(said).join(' ')
    if (e.status === 403) return t('error.forbidden')
    if (e.status === 404) return t('error.not_found')
    if (e.status === 503 || e.status === 501) return t('error.unavailable')
    return e.message || String(e.status)
  }
  return e instanceof Error ? e.message : String(e)
}
