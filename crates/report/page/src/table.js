import { useEffect, useMemo, useState } from 'preact/hooks'
import { html } from './html.js'
import { CopyButton } from './copy.js'
import { bytes, cell, count, field, growth } from './format.js'
import { remember, stateOf } from './address.js'

/** Rows that are shown before somebody asks for all. */
const N_FIRST = 15
const NUMBERS = new Set(['bytes', 'number', 'percent'])
const LONG = 60

/** Columns of a wide table that are shown when somebody asks for all. */
const MINOR = /^(rank|role|spark|dumps|min|max|per_dump|monotone|began_at|confidence|held_by|element|path_id|idx|state|variable|.*_before|.*_percent)$/
const WIDE = 10

function compare(a, b) {
  if (a === b) return 0
  // What is not known comes last, whatever the order.
  if (a === null) return 1
  if (b === null) return -1
  if (Array.isArray(a)) return compare(a[a.length - 1] ?? null, b[b.length - 1] ?? null)
  return a < b ? -1 : 1
}

export function Spark({ values }) {
  const known = values.filter((n) => n !== null)
  if (known.length < 2) return html`<span></span>`
  const [low, high] = [Math.min(0, ...known), Math.max(...known, 1)]
  const x = (i) => (1 + (i * 78) / (values.length - 1)).toFixed(1)
  const y = (n) => (17 - (16 * (n - low)) / (high - low)).toFixed(1)
  const points = values.map((n, i) => (n === null ? null : `${x(i)},${y(n)}`)).filter(Boolean)
  return html`<svg class="spark" width="80" height="18" viewBox="0 0 80 18" role="img" aria-label=${cell(values, 'series')}>
    <polyline points=${points.join(' ')} />
  </svg>`
}

/** How much something changed, with a bar: to the right where it grew, to the left where it shrank, as long as its share of the most. */
function Change({ value, kind, most }) {
  const width = `${Math.min(50, (50 * Math.abs(value)) / most)}%`
  const write = kind === 'bytes' ? bytes : count
  return html`<span class="change" title=${kind === 'bytes' ? `${count(value)} bytes` : null}>
    <b>${growth(value, write)}</b><span class="track"><i class=${value < 0 ? 'less' : 'more'} style=${{ width, [value < 0 ? 'right' : 'left']: '50%' }}></i></span>
  </span>`
}

function Cell({ value, column }) {
  const { kind } = column
  if (kind === 'series' && value) return html`<${Spark} values=${value} />`
  if (column.most && value !== null) return html`<${Change} value=${value} kind=${kind} most=${column.most} />`
  const text = cell(value, kind)
  if (kind === 'bytes' && value !== null) return html`<span title=${`${count(value)} bytes`}>${text}</span>`
  if (kind === 'percent' && value !== null) {
    return html`<span class="share"><i style=${{ width: `${Math.max(0, Math.min(100, value))}%` }}></i><b>${text}</b></span>`
  }
  if (text.length > LONG) return html`<span class="long" title=${text}>${text}</span>`
  return text
}

/** A table that sorts, filters and copies; `first` rows are shown before somebody asks for all. */
export function Table({ id, title, table, first = N_FIRST }) {
  const asked = stateOf(id)
  const [sort, setSort] = useState({ by: asked.get('sort') ?? '', down: asked.get('down') === '1' })
  const [filter, setFilter] = useState(asked.get('filter') ?? '')
  const [all, setAll] = useState(asked.get('all') === '1')
  const isWide = table.columns.length > WIDE
  const [columns, setColumns] = useState(asked.get('columns') === 'all' || !isWide)
  const [touched, touch] = useState(false)
  const places = table.columns.map((_, i) => i).filter((i) => columns || !MINOR.test(table.columns[i].name))
  useEffect(() => {
    if (touched) remember(id, { sort: sort.by, down: sort.down ? '1' : '', filter, all: all ? '1' : '', columns: isWide && columns ? 'all' : '' })
  }, [sort, filter, all, columns, touched])
  const rows = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
    const kinds = table.columns.map((column) => column.kind)
    const fits = (row) => {
      const text = row.map((value, i) => cell(value, kinds[i])).join('\n').toLowerCase()
      return words.every((word) => text.includes(word))
    }
    const found = words.length ? table.rows.filter(fits) : table.rows.slice()
    const at = table.columns.findIndex((column) => column.name === sort.by)
    if (at >= 0) {
      const known = (row) => row[at] !== null
      found.sort((a, b) => compare(a[at], b[at]) * (sort.down && known(a) && known(b) ? -1 : 1))
    }
    return found
  }, [table, sort, filter])
  const shown = all ? rows : rows.slice(0, first)
  const change = (what) => (value) => {
    touch(true)
    what(value)
  }
  const sortBy = (column) =>
    change(setSort)({ by: column.name, down: sort.by === column.name ? !sort.down : NUMBERS.has(column.kind) })
  const text = () =>
    [table.columns.map((column) => column.name), ...rows.map((row) => row.map((v, i) => field(v, table.columns[i].kind)))]
      .map((fields) => fields.join('\t'))
      .join('\n')
  if (table.missing) return html`<p class="missing">${table.missing}</p>`
  const beyond = table.total - table.rows.length
  return html`<div class="table">
    <div class="tools">
      <label>Filter <input type="search" value=${filter} onInput=${(event) => change(setFilter)(event.target.value)} aria-label=${`Filter ${title}`} /></label>
      <span class="said" role="status">
        ${filter ? `${count(rows.length)} of ${count(table.rows.length)} rows` : `${count(table.total)} ${table.total === 1 ? 'row' : 'rows'}`}
        ${beyond > 0 ? `, the first ${count(table.rows.length)} are in this report` : ''}
      </span>
      ${isWide && html`<label class="columns"><input type="checkbox" checked=${columns} onChange=${(event) => change(setColumns)(event.target.checked)} /> all ${table.columns.length} columns</label>`}
      <${CopyButton} text=${text} what=${title} label="Copy rows" />
    </div>
    <div class="scroll" tabindex="0" role="region" aria-label=${title}>
      <table>
        <thead><tr>
          ${places.map((i) => table.columns[i]).map((column) => html`<th scope="col" class=${column.kind}
            aria-sort=${sort.by === column.name ? (sort.down ? 'descending' : 'ascending') : 'none'}>
            <button type="button" title=${column.about || null} onClick=${() => sortBy(column)}>
              ${column.name.replaceAll('_', ' ')}<span aria-hidden="true">${sort.by === column.name ? (sort.down ? ' ▾' : ' ▴') : ''}</span>
            </button></th>`)}
        </tr></thead>
        <tbody>
          ${shown.map((row) => html`<tr>${places.map((i) => html`<td class=${table.columns[i].kind}><${Cell} value=${row[i]} column=${table.columns[i]} /></td>`)}</tr>`)}
        </tbody>
      </table>
    </div>
    ${rows.length > first && html`<button type="button" class="more" onClick=${() => change(setAll)(!all)}>
      ${all ? `Show the first ${first}` : `Show all ${count(rows.length)}`}<span class="offscreen"> rows of ${title}</span>
    </button>`}
  </div>`
}
