import { useEffect, useState } from 'preact/hooks'
import { html } from './html.js'
import { bytes, count, safe, time } from './format.js'
import { parse } from './address.js'
import { Chart } from './chart.js'
import { Picture } from './picture.js'
import { Source } from './source.js'
import { Suspects } from './suspects.js'
import { Table } from './table.js'

const THEMES = ['auto', 'light', 'dark']

function Part({ part }) {
  const { id, title, content } = part
  const shown = {
    suspects: () => html`<${Suspects} found=${content} />`,
    table: () => html`<${Table} id=${id} title=${title} table=${content} />`,
    chart: () => html`<${Chart} id=${id} title=${title} chart=${content} />`,
    tree: () => html`<${Picture} id=${id} title=${title} tree=${content} />`,
  }[content.kind]
  return html`<div class="part" id=${id}>
    <h3>${safe(title)} <a class="anchor" href=${`#${id}`} aria-label=${`Link to ${title}`}>#</a></h3>
    ${shown()}
    <${Source} source=${part.source} title=${title} />
  </div>`
}

function Section({ section }) {
  return html`<section id=${section.id} aria-labelledby=${`${section.id}-title`}>
    <h2 id=${`${section.id}-title`}>${section.title} <a class="anchor" href=${`#${section.id}`} aria-label=${`Link to ${section.title}`}>#</a></h2>
    ${section.summary && html`<p class="summary">${safe(section.summary)}</p>`}
    ${section.missing && html`<p class="missing">${safe(section.missing)}</p>`}
    ${section.notes.map((note) => html`<p class="note">${safe(note)}</p>`)}
    ${section.parts.map((part) => html`<${Part} part=${part} />`)}
  </section>`
}

/** What is in a section, for the list of contents. */
function isEmpty(section) {
  return section.missing !== null || section.parts.every((part) => part.content.missing)
}

export function App({ report }) {
  const [theme, setTheme] = useState('auto')
  useEffect(() => {
    document.documentElement.dataset.theme = theme
    window.dispatchEvent(new Event('themechange'))
    const media = window.matchMedia('(prefers-color-scheme: dark)')
    const tell = () => window.dispatchEvent(new Event('themechange'))
    media.addEventListener('change', tell)
    return () => media.removeEventListener('change', tell)
  }, [theme])
  useEffect(() => {
    // The address was there before what it names.
    const show = () => document.getElementById(parse().id)?.scrollIntoView()
    show()
    window.addEventListener('hashchange', show)
    return () => window.removeEventListener('hashchange', show)
  }, [])
  const dumps = report.dumps
  const last = dumps[dumps.length - 1]
  return html`<div class="page">
    <a class="skip" href="#verdict">To the verdict</a>
    <header>
      <h1>${safe(report.title)}</h1>
      <p class="about">
        ${dumps.length === 1 ? 'One dump' : `${count(dumps.length)} dumps`}, the newest <strong>${safe(last.id)}</strong> of ${time(last.taken)}:
        ${' '}${count(last.objects)} objects, ${bytes(last.bytes)}. heaplake ${report.heaplake}.
      </p>
      ${report.redacted && html`<p class="redacted">${safe(report.redacted)}</p>`}
      <label class="theme">Colours <select value=${theme} onChange=${(event) => setTheme(event.target.value)}>
        ${THEMES.map((name) => html`<option value=${name}>${name}</option>`)}
      </select></label>
    </header>
    <nav class="contents" aria-label="Sections">
      <ol>${report.sections.map((section) => html`<li class=${isEmpty(section) ? 'empty' : ''}><a href=${`#${section.id}`}>${section.title}</a></li>`)}</ol>
    </nav>
    <main>${report.sections.map((section) => html`<${Section} section=${section} />`)}</main>
    <footer><p>Made on ${time(report.made)}. This file contains everything that it shows and loads nothing.</p></footer>
  </div>`
}
