// A file of what was wrong in an import, for a spreadsheet.

import type { ImportResult } from './api'
import { decimalCommas, type Language } from './format'

export function errorsFile(r: ImportResult, language: Language): string {
  const head = language === 'vi' ? ['Dòng', 'Cột', 'Lỗi', 'Gợi ý'] : ['Row', 'Column', 'Problem', 'Suggestion']
  const rows = r.results.flatMap((row) => (row.errors ?? []).map((e) => [String(row.row), e.column ?? '', language === 'vi' ? decimalCommas(e.vi) : e.en, language === 'vi' ? decimalCommas(e.suggestion ?? '') : (e.suggestion ?? '')]))
  // A BOM, or some spreadsheets take the file for another encoding.
  return '\uFEFF' + [head, ...rows].map((cells) => cells.map(cell).join(';')).join('\r\n') + '\r\n'
}

// A cell that a spreadsheet would take for a formula is defused.
function cell(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? "'" + text : text
  return /[";\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe
}

export function save(name: string, content: string | Blob, type = 'text/csv;charset=utf-8') {
  const url = URL.createObjectURL(typeof content === 'string' ? new Blob([content], { type }) : content)
  const a = document.createElement('a')
  a.href = url
  a.download = name
  a.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
