import { useEffect } from 'preact/hooks'
import { html } from './html.js'
import { bytes, count, safe, time } from './format.js'
import { parse } from './address.js'
import { Section } from './part.js'
import { Theme } from './theme.js'

/** What is in a section, for the list of contents. */
function isEmpty(section) {
  return section.missing !== null || section.parts.every((part) => part.content.missing)
}

/** A report. */
export function App({ report }) {
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
      <${Theme} />
    </header>
    <nav class="contents" aria-label="Sections">
      <ol>${report.sections.map((section) => html`<li class=${isEmpty(section) ? 'empty' : ''}><a href=${`#${section.id}`}>${section.title}</a></li>`)}</ol>
    </nav>
    <main>${report.sections.map((section) => html`<${Section} section=${section} />`)}</main>
    <footer><p>Made on ${time(report.made)}. This file contains everything that it shows and loads nothing.</p></footer>
  </div>`
}
