// Flame graph and treemap of one tree: layout by d3-hierarchy, one element per node, the same keys for both.
import { hierarchy, partition, treemap, treemapSquarify } from 'd3-hierarchy'
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { html } from './html.js'
import { bytes, count, growth, percent, safe } from './format.js'
import { remember, stateOf } from './address.js'
import { Table } from './table.js'

const ROW = 22
/** Narrower or smaller nodes are not drawn, in pixels; zoom shows them. */
const MIN_WIDTH = 2
const MIN_AREA = 60
const N_COLOURS = 8
const TREEMAP_HEIGHT = 460
const TREEMAP_LEVELS = 3
/** The place of the whole among the nodes. */
const WHOLE = -1

/** What boxes can be as large as: a field of every node, and how its values are written. */
const MEASURES = [
  { key: 'bytes', kind: 'bytes', about: 'of it and all below it', write: bytes },
  { key: 'objects', kind: 'number', about: 'objects of it and all below it', write: (n) => `${count(n)} objects` },
]

/** The list of nodes as a tree; each node knows its position in the list. */
export function treeOf(data, measure) {
  const root = { ...data, nodes: undefined, at: WHOLE, children: [] }
  const made = data.nodes.map((node, at) => ({ ...node, at, children: [] }))
  made.forEach((node) => (node.above === null ? root : made[node.above]).children.push(node))
  const top = hierarchy(root)
  // A node's own part is what its children do not have: the layout adds it up again.
  top.eachAfter((node) => {
    const inside = (node.children ?? []).reduce((sum, child) => sum + child.value, 0)
    node.value = Math.max(node.data[measure], inside)
  })
  return top.sort((a, b) => b.value - a.value || a.data.at - b.data.at)
}

export function colour(name) {
  let hash = 7
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) >>> 0
  return `c${hash % N_COLOURS}`
}

/** How a box is coloured by its growth: orange where it grew, blue where it shrank, the stronger the more. */
export function growthColour(data, measure) {
  const before = data[`${measure}_before`] ?? 0
  const change = (data[measure] - before) / Math.max(data[measure], before, 1)
  if (Math.abs(change) < 0.01) return 'g0'
  const strength = Math.abs(change) > 0.5 ? 3 : Math.abs(change) > 0.15 ? 2 : 1
  return change > 0 ? `up${strength}` : `down${strength}`
}

function titleOf(data) {
  return safe(data.detail ? `${data.name} (${data.detail})` : data.name)
}

/** The boxes of a flame graph: the nodes above the zoomed one over its full width, and what is below it. */
function flameBoxes(zoomed, width, upward) {
  const height = zoomed.height + 1
  const laid = partition().size([width, height * ROW])(zoomed.copy().each((node) => node.value))
  const above = zoomed.ancestors().slice(1).reverse()
  const boxes = above.map((node, i) => ({ node, x: 0, y: i * ROW, width, height: ROW, above: true }))
  const originals = zoomed.descendants()
  laid.descendants().forEach((node, i) => {
    const box = { node: originals[i], x: node.x0, y: (above.length + node.depth) * ROW, width: node.x1 - node.x0, height: ROW }
    if (box.width >= MIN_WIDTH || node.depth === 0) boxes.push(box)
  })
  const total = (above.length + height) * ROW
  if (upward) boxes.forEach((box) => (box.y = total - ROW - box.y))
  return { boxes, height: total, hidden: originals.length - (boxes.length - above.length) }
}

function treemapBoxes(zoomed, width) {
  const laid = treemap().tile(treemapSquarify).size([width, TREEMAP_HEIGHT]).paddingTop(18).paddingInner(2).paddingRight(2).paddingBottom(2).paddingLeft(2).round(true)(zoomed.copy())
  const originals = zoomed.descendants()
  const boxes = []
  laid.descendants().forEach((node, i) => {
    const box = { node: originals[i], x: node.x0, y: node.y0, width: node.x1 - node.x0, height: node.y1 - node.y0 }
    if (node.depth <= TREEMAP_LEVELS && box.width * box.height >= MIN_AREA && box.width > 3 && box.height > 3) boxes.push(box)
  })
  return { boxes, height: TREEMAP_HEIGHT, hidden: originals.length - boxes.length }
}

function useWidth() {
  const place = useRef(null)
  const [width, setWidth] = useState(800)
  useLayoutEffect(() => {
    const measure = () => place.current && setWidth(Math.max(240, Math.floor(place.current.clientWidth)))
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(place.current)
    return () => observer.disconnect()
  }, [])
  return [place, width]
}

/** The nodes as rows: the text that stands for the picture. */
function rowsOf(top, measures, before) {
  const [first] = measures
  const found = top.descendants().filter((node) => node.depth > 0)
  found.sort((a, b) => b.data[first.key] - a.data[first.key])
  const way = (node) => node.ancestors().slice(1, -1).reverse().map((above) => above.data.name)
  const share = (node) => Math.round((1000 * node.data[first.key]) / Math.max(1, top.data[first.key])) / 10
  const column = (name, kind, about, of) => ({ name, kind, about, of })
  const columns = [
    column('name', 'text', 'type, or how many objects of a type', (node) => node.data.name),
    column('detail', 'text', 'by which label it is held, its name, what root it is', (node) => node.data.detail ?? null),
    column('held_by', 'text', 'the nearest nodes above it', (node) => way(node).slice(-3).join(' -> ') || null),
    column('address', 'address', 'the object', (node) => node.data.address ?? null),
    ...measures.map(({ key, kind, about }) => column(key, kind, about, (node) => node.data[key])),
    column('percent', 'percent', `of the ${first.key} of the whole`, share),
    ...(before ? [column('growth', 'bytes', `since ${before}`, (node) => node.data.bytes - (node.data.bytes_before ?? 0))] : []),
  ]
  return { columns, rows: found.map((node) => columns.map((column) => column.of(node))), total: found.length, missing: null }
}

/** A tree as flame graph or treemap. `measures` is what its boxes can be as large as; `tree.measure` the one to begin with. */
export function Picture({ id, title, tree, measures = MEASURES }) {
  const asked = stateOf(id)
  const usual = tree.measure ?? measures[0].key
  const [measure, setMeasure] = useState(measures.find(({ key }) => key === asked.get('by'))?.key ?? usual)
  const top = useMemo(() => treeOf(tree, measure), [tree, measure])
  const byPosition = useMemo(() => new Map(top.descendants().map((node) => [node.data.at, node])), [top])
  const [zoom, setZoom] = useState(Number(asked.get('zoom') ?? WHOLE))
  const [search, setSearch] = useState(asked.get('search') ?? '')
  const [upward, setUpward] = useState(asked.get('up') === '1')
  const [current, setCurrent] = useState(Number.isFinite(zoom) ? zoom : WHOLE)
  const [touched, touch] = useState(false)
  const isCompared = Boolean(tree.before)
  const [growing, setGrowing] = useState(isCompared && asked.get('colours') !== 'types')
  const [place, width] = useWidth()
  const isFlame = tree.picture === 'flame'
  const zoomed = byPosition.get(zoom) ?? top
  const layout = useMemo(
    () => (isFlame ? flameBoxes(zoomed, width, upward) : treemapBoxes(zoomed, width)),
    [zoomed, width, upward, isFlame],
  )
  const words = search.toLowerCase().trim()
  const matches = (node) => words !== '' && titleOf(node.data).toLowerCase().includes(words)
  const found = useMemo(() => {
    if (!words) return null
    let n = 0
    let share = 0
    const visit = [[zoomed, false]]
    while (visit.length) {
      const [node, inside] = visit.pop()
      const hit = matches(node)
      n += hit ? 1 : 0
      share += hit && !inside ? node.value : 0
      for (const child of node.children ?? []) visit.push([child, inside || hit])
    }
    return { n, share }
  }, [words, zoomed])
  useEffect(() => {
    if (touched) remember(id, { zoom: zoom === WHOLE ? '' : zoom, search, up: upward ? '1' : '', by: measure === usual ? '' : measure, colours: isCompared && !growing ? 'types' : '' })
  }, [zoom, search, upward, measure, growing, touched])
  useEffect(() => {
    const follow = () => {
      const state = stateOf(id)
      if (state.has('zoom')) setZoom(Number(state.get('zoom')))
      if (state.has('search')) setSearch(state.get('search'))
    }
    window.addEventListener('hashchange', follow)
    return () => window.removeEventListener('hashchange', follow)
  }, [id])
  const visible = new Set(layout.boxes.map((box) => box.node.data.at))
  const focusable = visible.has(current) ? current : zoomed.data.at
  const go = (node) => {
    if (!node || !visible.has(node.data.at)) return
    setCurrent(node.data.at)
    place.current.querySelector(`[data-at="${node.data.at}"]`)?.focus()
  }
  const zoomTo = (node) => {
    touch(true)
    setZoom(node.data.at)
    setCurrent(node.data.at)
    requestAnimationFrame(() => place.current?.querySelector(`[data-at="${node.data.at}"]`)?.focus())
  }
  const onKey = (event) => {
    const node = byPosition.get(focusable)
    const siblings = node.parent?.children ?? [node]
    const at = siblings.indexOf(node)
    const down = () => go(node.children?.find((child) => visible.has(child.data.at)))
    const up = () => go(node.parent)
    const keys = {
      ArrowLeft: () => go(siblings[at - 1]),
      ArrowRight: () => go(siblings[at + 1]),
      ArrowDown: upward && isFlame ? up : down,
      ArrowUp: upward && isFlame ? down : up,
      Home: () => go(zoomed),
      Enter: () => zoomTo(node === zoomed && node.parent ? node.parent : node),
      ' ': () => zoomTo(node),
      Escape: () => zoomTo(zoomed.parent ?? top),
      Backspace: () => zoomTo(zoomed.parent ?? top),
    }
    const act = keys[event.key]
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    act()
  }
  const text = (node) => {
    const { data } = node
    const grown = data.bytes_before === undefined ? '' : `, ${growth(data.bytes - data.bytes_before, bytes)} since ${safe(tree.before)}`
    const [first, ...others] = measures
    const amounts = [first.write(data[first.key]), percent(data[first.key], top.data[first.key]), ...others.map(({ key, write }) => write(data[key]))]
    return `${titleOf(data)}: ${amounts.filter(Boolean).join(', ')}${grown}`
  }
  const chosen = byPosition.get(focusable) ?? top
  return html`<div class="picture">
    <div class="tools">
      <label>Search <input type="search" value=${search} aria-label=${`Search in ${title}`}
        onInput=${(event) => { touch(true); setSearch(event.target.value) }} /></label>
      <label>Size by <select value=${measure} onChange=${(event) => { touch(true); setMeasure(event.target.value) }}>
        ${measures.map(({ key }) => html`<option value=${key}>${key}</option>`)}
      </select></label>
      ${isFlame && html`<label><input type="checkbox" checked=${upward} onChange=${(event) => { touch(true); setUpward(event.target.checked) }} /> from below</label>`}
      ${isCompared && html`<label><input type="checkbox" checked=${growing} onChange=${(event) => { touch(true); setGrowing(event.target.checked) }} /> colour by growth</label>`}
      <button type="button" onClick=${() => zoomTo(zoomed.parent ?? top)} disabled=${zoomed === top}>Zoom out</button>
      <button type="button" onClick=${() => zoomTo(top)} disabled=${zoomed === top}>Whole</button>
      <span class="said" role="status">${found ? `${count(found.n)} found, ${percent(found.share, top.value)}` : ''}</span>
    </div>
    <nav class="crumbs" aria-label=${`Zoom of ${title}`}>
      ${zoomed.ancestors().reverse().map((node, i) => html`${i > 0 && html`<span aria-hidden="true">${' \u203a '}</span>`}
        <button type="button" onClick=${() => zoomTo(node)}>${titleOf(node.data)}</button>`)}
    </nav>
    <div ref=${place} class=${`boxes ${tree.picture}`} role="tree" aria-label=${`${title}; arrow keys go from node to node, Enter zooms, Escape zooms out`}
      style=${{ height: `${layout.height}px` }} onKeyDown=${onKey}>
      ${layout.boxes.map(({ node, x, y, width: w, height, above }) => html`<div key=${node.data.at} data-at=${node.data.at} role="treeitem"
        aria-level=${node.depth + 1} aria-label=${text(node)} aria-selected=${node === chosen ? 'true' : 'false'} title=${text(node)} tabindex=${node === chosen ? 0 : -1}
        class=${`box ${growing && node.data.at !== WHOLE ? growthColour(node.data, measure) : colour(node.data.name)}${above ? ' above' : ''}${words ? (matches(node) ? ' hit' : ' miss') : ''}`}
        style=${{ left: `${x}px`, top: `${y}px`, width: `${Math.max(1, w - 1)}px`, height: `${height - 1}px` }}
        onFocus=${() => setCurrent(node.data.at)}
        onClick=${(event) => { event.stopPropagation(); zoomTo(node) }}>${w > 28 ? titleOf(node.data) : ''}</div>`)}
    </div>
    ${growing && html`<p class="scale" aria-hidden="true"><span class="box down3">shrank</span><span class="box down1">a little</span><span class="box g0">same</span><span class="box up1">a little</span><span class="box up2">more</span><span class="box up3">grew, or is new</span></p>`}
    <p class="chosen">${text(chosen)}${chosen.data.address ? `, ${chosen.data.address}` : ''}</p>
    ${(tree.folded || layout.hidden > 0) && html`<p class="note">${tree.folded ?? ''} ${layout.hidden > 0 ? `${count(layout.hidden)} nodes are too small to be drawn here; zoom shows them.` : ''}</p>`}
    <details class="alternative"><summary>The same as a table</summary>
      <${Table} id=${`${id}-rows`} title=${`${title}, as a table`} table=${useMemo(() => rowsOf(top, measures, tree.before), [top])} />
    </details>
  </div>`
}
