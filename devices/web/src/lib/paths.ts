// How paths of the REST interface are put together.

export const v1 = '/api/v1'
export const seg = (part: string | number) => encodeURIComponent(part)

/** A path with those of the parameters that have a value. */
export function query(path: string, params: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== '') q.set(k, String(v))
  const text = q.toString()
  return text ? `${v1}${path}?${text}` : v1 + path
}
