import { expect, it } from 'vitest'
import { ago, bytes, date, dateTime, decimalCommas, duration, metres, number, parseNumber, time } from './format'

it.each([
  [1234.5, undefined, '1.235', '1,235'],
  [12.4, undefined, '12,4', '12.4'],
  [0.416, undefined, '0,42', '0.42'],
  [1284417, undefined, '1.284.417', '1,284,417'],
  [-7.25, 1, '−7,3', '−7.3'],
  [-0.001, 1, '0,0', '0.0'],
  [620, undefined, '620', '620'],
  [109.19674, 5, '109,19674', '109.19674'],
  [NaN, undefined, '–', '–'],
])('writes %d', (value, digits, vi, en) => {
  expect(number(value, 'vi', digits)).toBe(vi)
  expect(number(value, 'en', digits)).toBe(en)
})

it('reads numbers of both languages', () => {
  for (const [text, want] of [['3,5', 3.5], ['3.5', 3.5], [' 12 ', 12], ['−2,25', -2.25], ['', undefined], ['3,5m', undefined], ['1.234,5', undefined]] as const) {
    expect(parseNumber(text), text).toBe(want)
  }
})

it('tells times in Vietnam, wherever the reader is', () => {
  expect(time('2026-11-21T23:09:25Z')).toBe('06:09')
  expect(time('2026-11-21T23:09:25Z', true)).toBe('06:09:25')
  expect(date('2026-11-21T23:09:25Z')).toBe('22/11/2026')
  expect(dateTime('2026-11-21T23:09:25Z', new Date('2026-12-31T16:00:00Z'))).toBe('06:09 22/11')
  // In Vietnam it is the next year already.
  expect(dateTime('2026-11-21T23:09:25Z', new Date('2026-12-31T18:00:00Z'))).toBe('06:09 22/11/2026')
})

it('tells durations in their largest sensible unit', () => {
  expect(duration(45, 'vi')).toBe('45 giây')
  expect(duration(300, 'vi')).toBe('5 phút')
  expect(duration(7260, 'vi')).toBe('2 giờ')
  expect(duration(300000, 'en')).toBe('3 d')
  const now = Date.parse('2026-11-21T12:00:00Z')
  expect(ago('2026-11-21T11:55:00Z', 'vi', now)).toBe('5 phút trước')
  expect(ago('2026-11-21T11:59:58Z', 'vi', now)).toBe('vừa xong')
  expect(ago('2026-11-21T13:00:00Z', 'en', now)).toBe('in 60 min')
})

it('writes sizes and distances', () => {
  expect(bytes(999, 'vi')).toBe('999 B')
  expect(bytes(48210, 'vi')).toBe('48 kB')
  expect(bytes(8589934592, 'vi')).toBe('8,6 GB')
  expect(metres(6.4, 'vi')).toBe('6 m')
  expect(metres(1480, 'vi')).toBe('1,5 km')
})

it('writes the server’s numbers as Vietnamese does, and leaves what was typed', () => {
  expect(decimalCommas('có phải là 12.2725, 109.206?')).toBe('có phải là 12,2725; 109,206?')
  expect(decimalCommas('từ 0.5 đến 10.25 m')).toBe('từ 0,5 đến 10,25 m')
  expect(decimalCommas('Không đọc được số "1.2.3", "12.5" của v1.2.3, a.1 và 1.2.3')).toBe('Không đọc được số "1.2.3", "12.5" của v1.2.3, a.1 và 1.2.3')
})
