// The chosen language and the catalogue behind it. `t` is reactive: a page that
// calls it is drawn anew when the language changes.

import { messages, type Key } from '../messages'
import * as format from './format'
import type { Language } from './format'

const KEY = 'haidang-language'

class Locale {
  language = $state<Language>('vi')

  constructor() {
    if (typeof localStorage !== 'undefined' && localStorage.getItem(KEY) === 'en') this.language = 'en'
  }

  set(language: Language) {
    this.language = language
    localStorage.setItem(KEY, language)
    this.apply()
  }

  apply() {
    document.documentElement.lang = this.language
  }
}

export const locale = new Locale()

export function t(key: Key, params?: Record<string, string | number>): string {
  return fill(messages[key][locale.language === 'vi' ? 0 : 1], params)
}

export function fill(text: string, params?: Record<string, string | number>): string {
  return params ? text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole)) : text
}

/** A text for a word of the server that may be newer than this console. */
export function word(prefix: string, value: string): string {
  const key = `${prefix}.${value}`
  return key in messages ? t(key as Key) : value
}

/** Who did something: a program with an account's API token is told from the
 *  person, and the system's own acts have a name. */
export function who(name: string): string {
  const [account, token] = name.split('/token:')
  if (token) return t('who.token', { account, token: token.length > 8 ? `${token.slice(0, 6)}…` : token })
  return word('who', name)
}

/** The name in the chosen language of anything that has two. */
export function named(thing: { name_vi?: string; name_en?: string; name?: string } | undefined, fallback = ''): string {
  if (!thing) return fallback
  const vi = thing.name_vi ?? thing.name
  return (locale.language === 'en' ? thing.name_en || vi : vi) || fallback
}

/** The sentence of a two-language detail. */
export function said(detail: { vi: string; en: string }): string {
  return (locale.language === 'vi' ? format.decimalCommas(detail.vi) : detail.en) || detail.vi || detail.en
}

export const num = (value: number, digits?: number) => format.number(value, locale.language, digits)
export const ago = (at: string | Date, now?: number) => format.ago(at, locale.language, now)
export const duration = (seconds: number) => format.duration(seconds, locale.language)
export const bytes = (n: number) => format.bytes(n, locale.language)
export const metres = (m: number) => format.metres(m, locale.language)
