import { html } from './html.js'
import { safe } from './format.js'
import { Part } from './part.js'
import { Theme } from './theme.js'

/** A picture alone, as large as the window. */
export function Single({ picture }) {
  return html`<div class="page single">
    <header>
      <h1>${safe(picture.title)}</h1>
      <p class="about">${safe(picture.about)}</p>
      <${Theme} />
    </header>
    <main><section aria-label=${safe(picture.title)}>
      ${picture.notes.map((note) => html`<p class="note">${safe(note)}</p>`)}
      <${Part} part=${picture.part} />
    </section></main>
    <footer><p>Made by heaplake ${picture.heaplake}. This file contains everything that it shows and loads nothing.</p></footer>
  </div>`
}
