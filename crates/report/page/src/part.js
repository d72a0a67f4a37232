import { html, prose } from './html.js'
import { safe } from './format.js'
import { Bars } from './bars.js'
import { Chart } from './chart.js'
import { Paths } from './paths.js'
import { Picture } from './picture.js'
import { Source } from './source.js'
import { Suspects } from './suspects.js'
import { Table } from './table.js'

/** A part of a report, or a picture alone: its title, what it shows, and how to get its figures. */
export function Part({ part }) {
  const { id, title, content } = part
  const shown = {
    suspects: () => html`<${Suspects} found=${content} />`,
    table: () => html`<${Table} id=${id} title=${title} table=${content} />`,
    chart: () => html`<${Chart} id=${id} title=${title} chart=${content} />`,
    bars: () => html`<${Bars} id=${id} title=${title} bars=${content} />`,
    tree: () => html`<${Picture} id=${id} title=${title} tree=${content} />`,
    paths: () => html`<${Paths} id=${id} title=${title} paths=${content} />`,
  }[content.kind]
  return html`<div class="part" id=${id}>
    <h3>${safe(title)} <a class="anchor" href=${`#${id}`} aria-label=${`Link to ${title}`}>#</a></h3>
    ${shown()}
    <${Source} source=${part.source} title=${title} />
  </div>`
}

export function Section({ section }) {
  return html`<section id=${section.id} aria-labelledby=${`${section.id}-title`}>
    <h2 id=${`${section.id}-title`}>${section.title} <a class="anchor" href=${`#${section.id}`} aria-label=${`Link to ${section.title}`}>#</a></h2>
    ${section.summary && html`<p class="summary">${prose(section.summary)}</p>`}
    ${section.missing && html`<p class="missing">${prose(section.missing)}</p>`}
    ${section.notes.map((note) => html`<p class="note">${prose(note)}</p>`)}
    ${section.parts.map((part) => html`<${Part} part=${part} />`)}
  </section>`
}
