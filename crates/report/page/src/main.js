// The entry: data from the file itself, drawn into it.
import { render } from 'preact'
import { html } from './html.js'
import { App } from './app.js'

const report = JSON.parse(document.getElementById('data').textContent)
const place = document.getElementById('report')
place.replaceChildren()
render(html`<${App} report=${report} />`, place)
