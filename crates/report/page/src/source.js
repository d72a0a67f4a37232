import { html } from './html.js'
import { CopyButton } from './copy.js'
import { safe } from './format.js'

/** The command and the SQL that give the figures of a part. */
export function Source({ source, title }) {
  return html`<details class="source">
    <summary>How to get these figures</summary>
    <p class="label">Command <${CopyButton} text=${source.command} what=${`the command of ${title}`} /></p>
    <pre tabindex="0">${safe(source.command)}</pre>
    <p class="label">
      SQL, for ${safe(source.dump)} <${CopyButton} text=${source.sql} what=${`the SQL of ${title}`} />
    </p>
    <pre tabindex="0">${source.sql.split('\n').map(safe).join('\n')}</pre>
  </details>`
}
