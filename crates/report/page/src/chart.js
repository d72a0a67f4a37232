import uPlot from 'uplot'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { html } from './html.js'
import { bytes, count, safe } from './format.js'
import { Table } from './table.js'

// Okabe and Ito's colours, which people with any kind of colour blindness can tell apart; dashes tell the lines apart in print.
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f', '#8a7f00']
const DASHES = [[], [8, 4], [2, 3], [12, 4, 2, 4], [5, 2], [1, 2], [10, 3, 3, 3], [6, 6]]
const HEIGHT = 260

/** Steps of an axis: round numbers, which for bytes are powers of two. */
const STEPS = {
  bytes: Array.from({ length: 50 }, (_, i) => 2 ** i),
  number: Array.from({ length: 16 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat(),
}

/** `14:30`, or `11-29` where days are far apart; UTC. */
function moments(splits, step) {
  const part = step >= 86400 ? [5, 10] : [11, 16]
  return splits.map((time) => new Date(time * 1000).toISOString().slice(...part))
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** The chart's table: a row per dump. */
function rowsOf(chart) {
  const kind = chart.unit === 'bytes' ? 'bytes' : 'number'
  return {
    columns: [
      { name: 'dump', kind: 'text', about: '' },
      { name: 'taken', kind: 'time', about: '' },
      ...chart.lines.map((line) => ({ name: safe(line.name), kind, about: '' })),
    ],
    rows: chart.dumps.map((dump, i) => [dump, new Date(chart.times[i] * 1000).toISOString(), ...chart.lines.map((line) => line.values[i])]),
    total: chart.dumps.length,
    missing: null,
  }
}

/** Sums from the bottom up, where series stand on each other. */
function stacked(lines) {
  const sums = lines[0].values.map(() => 0)
  return lines.map((line) => line.values.map((value, i) => (sums[i] += value ?? 0)))
}

export function Chart({ id, title, chart }) {
  const place = useRef(null)
  const [hidden, hide] = useState(new Set())
  const lines = chart.lines.filter((_, i) => !hidden.has(i))
  const write = chart.unit === 'bytes' ? bytes : count
  // Times that do not rise are of no use as an axis: then dumps stand one after the other.
  const isTime = chart.times.every((time, i) => i === 0 || time > chart.times[i - 1])
  useEffect(() => {
    if (!lines.length) return
    const indices = chart.lines.map((_, i) => i).filter((i) => !hidden.has(i))
    const values = chart.stacked ? stacked(lines) : lines.map((line) => line.values)
    const order = chart.stacked ? values.map((_, i) => values.length - 1 - i) : values.map((_, i) => i)
    const x = isTime ? chart.times : chart.dumps.map((_, i) => i)
    const make = () => {
      const axis = { stroke: style('--text'), grid: { stroke: style('--line'), width: 1 }, ticks: { stroke: style('--line') } }
      return new uPlot(
        {
          width: Math.max(240, place.current.clientWidth),
          height: HEIGHT,
          legend: { show: false },
          cursor: { drag: { x: true, y: false } },
          scales: { x: { time: isTime }, y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 1) * 1.05)] } },
          tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), 'UTC'),
          axes: [
            {
              ...axis,
              values: (_, splits, axisIndex, space, step) =>
                isTime ? moments(splits, step) : splits.map((i) => (Number.isInteger(i) ? safe(chart.dumps[i] ?? '') : '')),
            },
            { ...axis, size: 80, incrs: STEPS[chart.unit], values: (_, splits) => splits.map(write) },
          ],
          series: [
            {},
            ...order.map((i) => {
              const c = COLOURS[indices[i] % COLOURS.length]
              return { stroke: c, width: 2, dash: chart.stacked ? [] : DASHES[indices[i] % DASHES.length], fill: chart.stacked ? c : undefined, points: { size: 6, stroke: c, fill: c } }
            }),
          ],
        },
        [x, ...order.map((i) => values[i])],
        place.current,
      )
    }
    let plot = make()
    const again = () => {
      plot.destroy()
      plot = make()
    }
    const observer = new ResizeObserver(() => {
      const width = Math.max(240, place.current.clientWidth)
      if (width !== plot.width) plot.setSize({ width, height: HEIGHT })
    })
    observer.observe(place.current)
    window.addEventListener('themechange', again)
    return () => {
      window.removeEventListener('themechange', again)
      observer.disconnect()
      plot.destroy()
    }
  }, [chart, hidden])
  const toggle = (i) => {
    const next = new Set(hidden)
    if (!next.delete(i)) next.add(i)
    hide(next)
  }
  const summary = chart.lines
    .map((line) => `${safe(line.name)} from ${write(line.values[0] ?? 0)} to ${write(line.values[line.values.length - 1] ?? 0)}`)
    .join('; ')
  return html`<div class="chart">
    <div ref=${place} class="plot" role="img" aria-label=${`${title}, over ${chart.dumps.length} dumps: ${summary}`}></div>
    <ul class="legend">
      ${chart.lines.map((line, i) => html`<li><label>
        <input type="checkbox" checked=${!hidden.has(i)} onChange=${() => toggle(i)} />
        <svg width="28" height="10" aria-hidden="true"><line x1="0" x2="28" y1="5" y2="5" stroke=${COLOURS[i % COLOURS.length]} stroke-width=${chart.stacked ? 10 : 3}
          stroke-dasharray=${chart.stacked ? null : DASHES[i % DASHES.length].join(' ')} /></svg>
        <span class="long">${safe(line.name)}</span></label></li>`)}
    </ul>
    <p class="note">Drag over the chart to zoom, double click for the whole.</p>
    <details class="alternative"><summary>The same as a table</summary>
      <${Table} id=${`${id}-rows`} title=${`${title}, as a table`} table=${useMemo(() => rowsOf(chart), [chart])} />
    </details>
  </div>`
}
