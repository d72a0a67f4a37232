import { useMemo } from 'preact/hooks'
import { html } from './html.js'
import { Table } from './table.js'

/** Bars that are shown before somebody asks for all. */
const N_FIRST = 30

/** What changed between two dumps, a bar for each: a table, so that it sorts, filters and copies. */
export function Bars({ id, title, bars }) {
  const table = useMemo(() => {
    const kind = bars.unit === 'bytes' ? 'bytes' : 'number'
    const most = bars.bars.reduce((most, bar) => Math.max(most, Math.abs(bar.change)), 1)
    const column = (name, kind, about, more) => ({ name, kind, about, ...more })
    return {
      columns: [
        column('name', 'text', ''),
        column('change', kind, 'how much more there is than before', { most }),
        column('before', kind, 'in the earlier dump'),
        column('after', kind, 'in the later dump'),
        column('status', 'text', 'new, gone, or what became of it'),
      ],
      rows: bars.bars.map((bar) => [bar.name, bar.change, bar.before, bar.after, bar.status]),
      total: bars.bars.length,
      missing: bars.bars.length ? null : 'Nothing differs between the two.',
    }
  }, [bars])
  return html`<div class="changes"><${Table} id=${id} title=${title} table=${table} first=${N_FIRST} /></div>`
}
