import { html, prose } from './html.js'
import { CopyButton } from './copy.js'
import { bytes, count, growth, safe } from './format.js'

function Suspect({ suspect }) {
  const sure = Math.round(suspect.confidence * 100)
  const facts = [
    ['retains', bytes(suspect.retained)],
    ['objects', `${count(suspect.count)} ${safe(suspect.type)}`],
    suspect.count_growth !== null && ['more objects', growth(suspect.count_growth)],
    suspect.retained_growth !== null && ['more bytes', growth(suspect.retained_growth, bytes)],
    suspect.per_hour !== null && ['pace', `${growth(Math.round(suspect.per_hour), bytes)} an hour`],
    suspect.shape && ['shape', suspect.shape],
    suspect.holder && ['holder', `${safe(suspect.holder_type)} ${suspect.holder}`],
  ].filter(Boolean)
  return html`<article class="suspect" id=${`suspect-${suspect.rank}`}>
    <h3><span class="rank">${suspect.rank}</span> ${safe(suspect.headline)}</h3>
    <p class="sure"><meter min="0" max="100" value=${sure} aria-label=${`${sure} % sure`}></meter> ${sure} % sure, ${suspect.basis}, ${safe(suspect.idiom)}</p>
    <dl class="facts">${facts.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}</dl>
    <h4>Why</h4>
    <ul>${suspect.evidence.map((fact) => html`<li>${prose(fact)}</li>`)}</ul>
    ${suspect.path && html`<h4>Way from a root</h4><p class="way">${safe(suspect.path).split(' -> ').map((step, i) => html`${i > 0 && html`<span class="arrow">${' \u2192 '}</span>`}<code>${step}</code>`)}</p>`}
    <p><strong>${bytes(suspect.retained)}</strong> would be freed with its content.</p>
    <h4>What to do</h4>
    <p>${prose(suspect.advice)}</p>
    ${suspect.commands.map((command) => html`<p class="command"><code>${safe(command)}</code> <${CopyButton} text=${command} what=${`a command for suspect ${suspect.rank}`} /></p>`)}
  </article>`
}

export function Suspects({ found }) {
  return html`<div>
    ${found.suspects.map((suspect) => html`<${Suspect} suspect=${suspect} />`)}
    ${found.others.length > 0 && html`<details class="others" open=${found.suspects.length === 0}>
      <summary>Looked at and not believed, or accepted: ${count(found.candidates - found.suspects.length)}</summary>
      <ul>${found.others.map((other) => html`<li><strong>${safe(other.headline)}</strong> (${Math.round(other.confidence * 100)} %${other.accepted !== null && html`, accepted: ${safe(other.accepted)}`}): ${other.evidence.map(safe).join('; ')}</li>`)}</ul>
    </details>`}
  </div>`
}
