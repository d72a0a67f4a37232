import { useState } from 'preact/hooks'
import { html } from './html.js'

/** Copies a text; true if it is in the clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Without permission the old way is left: a selection.
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'offscreen'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

export function CopyButton({ text, what, label = 'Copy' }) {
  const [said, say] = useState('')
  const run = async () => {
    const done = await copy(typeof text === 'function' ? text() : text)
    say(done ? 'Copied' : 'Not copied')
    setTimeout(() => say(''), 1500)
  }
  return html`<button type="button" class="copy" onClick=${run} aria-label=${`${label} ${what}`}>${said || label}</button>
    <span class="offscreen" role="status">${said && `${said}: ${what}`}</span>`
}
