// The entry: data from the file itself, drawn into it. It is a report, or a picture alone.
import { render } from 'preact'
import { html } from './html.js'
import { App } from './app.js'
import { Single } from './single.js'

const data = JSON.parse(document.getElementById('data').textContent)
const place = document.getElementById('report')
place.replaceChildren()
const isPicture = data.format.startsWith('heaplake-picture/')
render(isPicture ? html`<${Single} picture=${data} />` : html`<${App} report=${data} />`, place)
