import { useMemo } from 'preact/hooks'
import { html } from './html.js'
import { bytes, count, safe } from './format.js'
import { Picture } from './picture.js'

const MEASURES = [
  { key: 'paths', kind: 'number', about: 'paths through it', write: (n) => `${count(n)} paths` },
  { key: 'bytes', kind: 'bytes', about: 'shallow sizes of the objects that these paths lead to', write: bytes },
]

/** Lines that are shown before somebody asks for all. */
const N_FIRST = 12

function Line({ line, all }) {
  return html`<li style=${{ paddingLeft: `${Math.min(line.depth, 20) * 1.2}rem` }}>
    <span class="share"><i style=${{ width: `${(100 * line.paths) / Math.max(1, all)}%` }}></i><b>${count(line.paths)} of ${count(all)}</b></span>
    ${' '}<code>${safe(line.words)}</code>
  </li>`
}

/** Paths merged to a tree: in lines, where what does not part is one, and as a picture. */
export function Paths({ id, title, paths }) {
  const tree = useMemo(() => ({
    picture: 'flame', name: `${count(paths.paths)} paths`, paths: paths.paths, bytes: paths.bytes, folded: paths.folded,
    nodes: paths.branches.map(({ above, name, detail, address, objects, paths: n, bytes: size }) => ({
      above, address, detail, bytes: size, paths: n, name: objects > 1 ? `${count(objects)} x ${name}` : name,
    })),
  }), [paths])
  if (paths.missing) return html`<p class="missing">${safe(paths.missing)}</p>`
  const lines = (some) => html`<ol class="branches">${some.map((line) => html`<${Line} line=${line} all=${paths.paths} />`)}</ol>`
  return html`<div class="paths">
    <p class="note">${count(paths.paths)} ${paths.paths === 1 ? 'path' : 'paths'} of <code>${safe(paths.pattern)}</code>, to ${bytes(paths.bytes)}. Each line is a stretch without a fork.</p>
    ${lines(paths.lines.slice(0, N_FIRST))}
    ${paths.lines.length > N_FIRST && html`<details><summary>${count(paths.lines.length - N_FIRST)} more lines</summary>${lines(paths.lines.slice(N_FIRST))}</details>`}
    <${Picture} id=${id} title=${title} tree=${tree} measures=${MEASURES} />
  </div>`
}
