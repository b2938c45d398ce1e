// Numbers, times and sizes as people of the chosen language read them. Times
// are those of Asia/Ho_Chi_Minh on every page, wherever the reader is.

export type Language = 'vi' | 'en'

export const ZONE = 'Asia/Ho_Chi_Minh'
/** Vietnam has no summer time. */
export const ZONE_OFFSET = '+07:00'

// Vietnamese writes 1.234,5; some runtimes lack its locale data and would fall
// back silently, so the separators are set here.
export function number(value: number, language: Language, digits?: number): string {
  if (!Number.isFinite(value)) return '–'
  const fixed = Math.abs(value).toFixed(digits ?? decimals(value))
  const [whole, part] = fixed.split('.')
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, language === 'vi' ? '.' : ',')
  const sign = value < 0 && Number(fixed) !== 0 ? '−' : ''
  return sign + grouped + (part ? (language === 'vi' ? ',' : '.') + part : '')
}

/** As many decimals as a reading of that size deserves. */
function decimals(value: number): number {
  if (Number.isInteger(value)) return 0
  const size = Math.abs(value)
  if (size >= 100) return 0
  return size >= 10 ? 1 : 2
}

/** A text of the server with its numbers as Vietnamese writes them: coordinates
 *  "12.24, 109.19" become "12,24; 109,19". What stands in quotation marks was
 *  typed by somebody and stays. */
export function decimalCommas(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|(?<![\w.])([-−]?\d+)\.(\d+)(?!\w|\.\d)(, (?=[-−]?\d+\.\d))?/g, (whole, a?: string, b?: string, pair?: string) =>
    a === undefined ? whole : `${a},${b}${pair ? '; ' : ''}`,
  )
}

/** Reads a number as typed in either language: "1,5", "1.5", " 12 ". */
export function parseNumber(text: string): number | undefined {
  const plain = text.trim().replace(/\s/g, '').replace('−', '-')
  if (!/^[+-]?\d+([.,]\d+)?$/.test(plain)) return undefined
  return Number(plain.replace(',', '.'))
}

const formats = new Map<string, Intl.DateTimeFormat>()

function parts(at: Date, options: Intl.DateTimeFormatOptions): Record<string, string> {
  const key = JSON.stringify(options)
  let format = formats.get(key)
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat('en-GB', { timeZone: ZONE, hourCycle: 'h23', ...options })))
  return Object.fromEntries(format.formatToParts(at).map((p) => [p.type, p.value]))
}

const two = { day: '2-digit', month: '2-digit', hour: '2-digit', minute: '2-digit' } as const

export function time(at: string | Date, seconds = false): string {
  const p = parts(new Date(at), seconds ? { ...two, second: '2-digit' } : two)
  return seconds ? `${p.hour}:${p.minute}:${p.second}` : `${p.hour}:${p.minute}`
}

export function date(at: string | Date): string {
  const p = parts(new Date(at), { ...two, year: 'numeric' })
  return `${p.day}/${p.month}/${p.year}`
}

/** "14:05 21/11" today's year, "14:05 21/11/2025" otherwise. */
export function dateTime(at: string | Date, now = new Date()): string {
  const p = parts(new Date(at), { ...two, year: 'numeric' })
  const year = parts(now, { year: 'numeric' }).year
  return `${p.hour}:${p.minute} ${p.day}/${p.month}` + (p.year === year ? '' : `/${p.year}`)
}

/** "14:05" today, with the day otherwise. */
export function clockTime(at: string | Date, now = new Date()): string {
  return date(at) === date(now) ? time(at) : dateTime(at, now)
}

const units: Record<Language, [string, string, string, string]> = {
  vi: ['giây', 'phút', 'giờ', 'ngày'],
  en: ['s', 'min', 'h', 'd'],
}

/** A duration in its largest sensible unit: "4 phút", "2 giờ". */
export function duration(seconds: number, language: Language): string {
  const s = Math.max(0, Math.round(Math.abs(seconds)))
  const [value, unit] = s < 90 ? [s, 0] : s < 5400 ? [s / 60, 1] : s < 129600 ? [s / 3600, 2] : [s / 86400, 3]
  return `${number(Math.round(value), language)} ${units[language][unit]}`
}

export function ago(at: string | Date, language: Language, now = Date.now()): string {
  const s = (now - new Date(at).getTime()) / 1000
  if (s < 5 && s > -60) return language === 'vi' ? 'vừa xong' : 'just now'
  if (s < 0) return language === 'vi' ? `sau ${duration(-s, language)}` : `in ${duration(-s, language)}`
  return language === 'vi' ? `${duration(s, language)} trước` : `${duration(s, language)} ago`
}

export function bytes(n: number, language: Language): string {
  if (n < 1000) return `${number(n, language)} B`
  const steps = ['kB', 'MB', 'GB', 'TB']
  let i = -1
  while (n >= 1000 && i < steps.length - 1) {
    n /= 1000
    i++
  }
  return `${number(n, language, n < 10 ? 1 : 0)} ${steps[i]}`
}

export function metres(m: number, language: Language): string {
  return m < 1000 ? `${number(Math.round(m), language)} m` : `${number(m / 1000, language, 1)} km`
}
