// One way to talk to the server: JSON both ways, problem details (RFC 9457) as
// a typed error, the session's CSRF token on every write, and an eye on the
// phone's clock.

import { clock } from './clock'

/** One thing that is wrong, told in both languages by the server. */
export interface Detail {
  field?: string
  code: string
  vi: string
  en: string
  suggestion?: string
  current?: unknown
}

/** The error of a problem document that came inside an answer. */
export const problemError = (p: { status: number }) => problem(p.status, JSON.stringify(p))

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: Detail[] = [],
  ) {
    super(message)
  }

  detail(code: string): Detail | undefined {
    return this.details.find((d) => d.code === code)
  }
}

/** The server was not reached, or it took too long: try again later. */
export class Unreachable extends Error {}

export interface Options {
  method?: string
  body?: BodyInit
  headers?: Record<string, string>
  timeout?: number
  signal?: AbortSignal
}

let csrf = ''
export function setCSRF(token: string | undefined) {
  csrf = token ?? ''
}

/** Called on every 401, so that the session's holder learns of its end. */
let unauthorized: () => void = () => {}
export function onUnauthorized(f: () => void) {
  unauthorized = f
}

export function body(value: unknown, etag?: string | number): Options {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' }
  if (etag !== undefined) headers['If-Match'] = etag === '*' ? '*' : `"${etag}"`
  return { method: 'POST', body: JSON.stringify(value), headers }
}

export async function request<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options)
  if (response.status === 204) return undefined as T
  const text = await response.text()
  if (response.ok) return (text ? JSON.parse(text) : undefined) as T
  throw refused(response.status, text)
}

/** Asks for an answer in lines of JSON, each of which is told as it comes; gives
 *  the last. */
export async function lines<T>(path: string, options: Options, tell: (line: T) => void): Promise<T> {
  const response = await send(path, { ...options, headers: { ...options.headers, Accept: 'application/x-ndjson' } })
  if (!response.ok) throw refused(response.status, await response.text())
  let last: T | undefined
  let rest = ''
  try {
    for (const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) break
      const all = (rest + value).split('\n')
      rest = all.pop()!
      for (const line of all) tell((last = JSON.parse(line) as T))
    }
  } catch (e) {
    if (options.signal?.aborted) throw e
    throw new Unreachable(String(e))
  }
  if (!last) throw new Unreachable('no answer')
  return last
}

export interface Downloaded {
  blob: Blob
  name: string
}

/** Asks for a file: what it is, and what the server would call it. */
export async function download(path: string, options: Options = {}): Promise<Downloaded> {
  const response = await send(path, { ...options, headers: { ...options.headers, Accept: '*/*' } })
  if (!response.ok) {
    throw refused(response.status, await response.text())
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1]
  return { blob: await response.blob(), name: name ?? 'hai-dang' }
}

async function send(path: string, { timeout = 20_000, signal, ...init }: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', ...init.headers }
  if (csrf && init.method && init.method !== 'GET') headers['X-CSRF-Token'] = csrf
  const limit = AbortSignal.timeout(timeout)
  const sent = Date.now()
  try {
    const response = await fetch(path, {
      ...init,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    })
    clock.learn(response.headers.get('Date'), sent, Date.now())
    // A proxy that cannot reach the server behind it answers in its stead.
    if (response.status === 502 || response.status === 504) throw new Unreachable(`${response.status}`)
    return response
  } catch (e) {
    if (signal?.aborted) throw e
    throw new Unreachable(String(e))
  }
}

/** The error of an answer. A wrong password is none of the session's: who
 *  mistypes the old one while changing it stays logged in. */
function refused(status: number, text: string): ApiError {
  const e = problem(status, text)
  if (status === 401 && !e.detail('wrong_name_or_password')) unauthorized()
  return e
}

interface Problem {
  code?: string
  title?: string
  detail?: string
  detail_vi?: string
  // The parts that judge access tell one thing at a time.
  field?: string
  reason?: string
  vi?: string
  en?: string
  errors?: Record<string, unknown>[]
}

function problem(status: number, text: string): ApiError {
  try {
    const p = JSON.parse(text) as Problem
    const details = (p.errors ?? []).map(detail)
    const vi = p.detail_vi ?? p.vi
    if (!details.length && vi) details.push({ field: p.field, code: p.reason ?? p.code ?? '', vi, en: p.en ?? p.detail ?? vi })
    return new ApiError(status, p.code ?? String(status), p.detail ?? p.title ?? '', details)
  } catch {
    return new ApiError(status, String(status), text.slice(0, 200))
  }
}

// The registry's faults speak both languages; other parts of the server (the
// ledger, the quarantine) answer with a message in English.
function detail(e: Record<string, unknown>): Detail {
  const message = String(e.message ?? '')
  return {
    field: String(e.field ?? '') || undefined,
    code: String(e.code ?? ''),
    vi: String(e.vi ?? message),
    en: String(e.en ?? message),
    suggestion: e.suggestion ? String(e.suggestion) : undefined,
    current: e.current,
  }
}
