// Numbers and texts as people read them: the same words as on the command line.

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']
const UNSAFE =
  /[\p{Cc}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu
const SHORT = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/** A text whose controls, and marks that turn its direction around or cannot be seen, are written out. */
export function safe(text) {
  return String(text).replace(UNSAFE, (c) => {
    const code = c.codePointAt(0)
    return SHORT[c] ?? (code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`)
  })
}

/** `58.3 MiB` */
export function bytes(n) {
  const size = Math.abs(n)
  if (size < 1024) return `${n} B`
  const exponent = Math.min(Math.floor(Math.log2(size) / 10), UNITS.length)
  return `${n < 0 ? '-' : ''}${(size / 1024 ** exponent).toFixed(1)} ${UNITS[exponent - 1]}`
}

/** `1,234,567` */
export function count(n) {
  return Number.isInteger(n) ? n.toLocaleString('en-US') : String(Math.round(n * 100) / 100)
}

/** `+1,234` or `+58.3 MiB` */
export function growth(n, write = count) {
  return `${n > 0 ? '+' : ''}${write(n)}`
}

export function percent(part, whole) {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : ''
}

/** `2026-11-29 15:04:05 UTC` */
export function time(text) {
  return text.replace('T', ' ').replace(/(\.\d+)?Z$/, ' UTC')
}

/** What stands in a cell. */
export function cell(value, kind) {
  if (value === null || value === undefined) return ''
  switch (kind) {
    case 'bytes':
      return bytes(Math.round(value))
    case 'number':
      return count(value)
    case 'percent':
      return `${value.toFixed(1)} %`
    case 'time':
      return time(value)
    case 'boolean':
      return value ? 'yes' : 'no'
    case 'series':
      return value.map((n) => (n === null ? '-' : n)).join(' ')
    default:
      return safe(value)
  }
}

/** A cell of what is copied into a spreadsheet: one line, and no formula. */
export function field(value, kind) {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number') return String(value)
  const text = cell(value, kind)
  return /^[=+\-@]/.test(text) && kind !== 'address' ? `'${text}` : text
}
